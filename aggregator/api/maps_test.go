package api

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

func testMaps(t *testing.T, server *httptest.Server, seeds *seeder, end time.Time) {
	period := fmt.Sprintf("from=%d&to=%d", end.Add(-72*time.Hour).UnixMilli(), end.Add(time.Minute).UnixMilli())
	recorded := uint64(0)
	for _, s := range seeds.truth.sessions {
		if s.HasReplay {
			recorded++
		}
	}
	checkout := url.QueryEscape(shop + "/checkout")

	heat := fetch[store.Heatmap](t, server, "/heatmap?"+period+"&page="+checkout, 200)
	var clicks uint64
	for _, c := range heat.Cells {
		clicks += c.Count
	}
	if want := seeds.truth.clicksOn[shop+"/checkout"]; clicks != want || heat.Total != want {
		t.Errorf("%d clicks on checkout, total %d, want %d", clicks, heat.Total, want)
	}
	// Every recorded visit clicked #pay at the same place: its cell is the fullest.
	var fullest store.HeatCell
	for _, c := range heat.Cells {
		if c.Count > fullest.Count {
			fullest = c
		}
	}
	if fullest.Count < 8*recorded {
		t.Errorf("fullest cell %+v, want at least %d", fullest, 8*recorded)
	}
	if heat.Snapshot == nil || !seeds.truth.sessions[heat.Snapshot.SessionID].HasReplay {
		t.Errorf("snapshot %+v", heat.Snapshot)
	}
	if len(heat.Scroll) != 21 || heat.Scroll[0].Visits != heat.Visits {
		t.Errorf("scroll %+v of %d", heat.Scroll, heat.Visits)
	}
	if narrow := fetch[store.Heatmap](t, server, "/heatmap?viewport=mobile&"+period+"&page="+checkout, 200); narrow.Total != 0 {
		t.Errorf("%d clicks on phones", narrow.Total)
	}

	type funnel struct{ Levels []store.FunnelLevel }
	steps := "&step=" + url.QueryEscape("click:data-i") + "&step=page:checkout&step=" + url.QueryEscape("click:#pay")
	got := fetch[funnel](t, server, "/funnel?"+period+steps, 200)
	for i, level := range got.Levels {
		if level.Sessions != recorded {
			t.Errorf("level %d: %d visits, want %d", i, level.Sessions, recorded)
		}
	}
	// The other way round nobody goes on; all who began are named as dropped.
	got = fetch[funnel](t, server, "/funnel?"+period+"&step="+url.QueryEscape("click:#pay")+"&step="+url.QueryEscape("click:data-i"), 200)
	if got.Levels[0].Sessions != recorded || got.Levels[1].Sessions != 0 || len(got.Levels[0].Dropped) != 5 ||
		got.Levels[0].Dropped[0] != seeds.truth.order[0] {
		t.Errorf("reverse: %+v", got.Levels)
	}

	pages := fetch[struct{ Pages []store.PageVisits }](t, server, "/pages?"+period, 200)
	if len(pages.Pages) == 0 || pages.Pages[0].Sessions < recorded {
		t.Errorf("pages %+v", pages)
	}
}
