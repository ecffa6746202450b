package demo

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestShopCarriesTheSDK(t *testing.T) {
	shop, err := Shop("http://127.0.0.1:7711", "gs_key")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string, string) {
		w := httptest.NewRecorder()
		shop.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		body, _ := io.ReadAll(w.Body)
		return w.Code, w.Header().Get("Content-Type"), string(body)
	}
	for _, route := range []string{"/", "/p/arc-lamp", "/checkout", "/no/such/page"} {
		status, kind, body := get(route)
		tag := `<script async src="http://127.0.0.1:7711/sdk/gosight.js" data-key="gs_key"></script>`
		if status != 200 || !strings.HasPrefix(kind, "text/html") || !strings.Contains(body, tag) {
			t.Errorf("%s: %d %s without the tag\n%.300s", route, status, kind, body)
		}
	}
	for path, kind := range map[string]string{"/shop.js": "text/javascript", "/shop.css": "text/css",
		"/api/stock/arc-lamp": "application/json"} {
		if status, got, _ := get(path); status != 200 || !strings.HasPrefix(got, kind) {
			t.Errorf("%s: %d %s", path, status, got)
		}
	}
	everywhere, err := Shop("http://0.0.0.0:7711", "gs_key")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	everywhere.ServeHTTP(w, httptest.NewRequest("GET", "http://shop.lan:7730/", nil))
	if !strings.Contains(w.Body.String(), `src="http://shop.lan:7711/sdk/gosight.js"`) {
		t.Errorf("a shop on all addresses names the agent wrongly:\n%.900s", w.Body)
	}
	if status, _, _ := get("/nosuch.js"); status != 404 {
		t.Errorf("a script that is not there: %d", status)
	}
}

func TestVisitsAreMovedToNow(t *testing.T) {
	visits, err := Visits()
	if err != nil {
		t.Fatal(err)
	}
	if len(visits) < 4 {
		t.Fatalf("%d visits", len(visits))
	}
	now := time.Now()
	sessions := map[string]bool{}
	for _, visit := range visits {
		batches, err := visit.At(now, "http://shop.example")
		if err != nil {
			t.Fatal(err)
		}
		sessions[batches[0].SessionId] = true
		var last int64
		for _, batch := range batches {
			if batch.SessionId != batches[0].SessionId || batch.SentAt != now.UnixMilli() {
				t.Errorf("%s: a batch of session %s sent at %d", visit.File, batch.SessionId, batch.SentAt)
			}
			if strings.Contains(batch.String(), visit.Origin) {
				t.Errorf("%s still names %s", visit.File, visit.Origin)
			}
			for _, event := range batch.Events {
				last = max(last, event.Timestamp)
				if age := now.Sub(time.UnixMilli(event.Timestamp)); age < 0 || age > time.Hour {
					t.Errorf("%s: %s is %s old", visit.File, event.EventType, age)
				}
				if event.EventType != "full_snapshot" && event.EventType != "mutation" {
					continue
				}
				var replay struct{ Timestamp int64 }
				if err := json.Unmarshal([]byte(event.Payload), &replay); err != nil || replay.Timestamp != event.Timestamp {
					t.Errorf("%s: replay event of %d says %d: %v", visit.File, event.Timestamp, replay.Timestamp, err)
				}
			}
		}
		if want := now.Add(-time.Duration(visit.MinutesAgo) * time.Minute).UnixMilli(); last != want {
			t.Errorf("%s ends at %d, want %d", visit.File, last, want)
		}
	}
	if len(sessions) != len(visits) {
		t.Errorf("%d sessions of %d visits", len(sessions), len(visits))
	}
}

// What the visits typed must not be in what was recorded: the SDK never sends it.
func TestNothingTypedIsInTheVisits(t *testing.T) {
	visits, err := Visits()
	if err != nil {
		t.Fatal(err)
	}
	for _, visit := range visits {
		for _, batch := range visit.Batches {
			text := batch.String()
			for _, typed := range []string{"Jonas Example", "jonas@example.org", "not a secret", "Hafenweg", "Bremen",
				"4242424242424242", "4242 4242", "12/29\"", "WINTER10\"}"} {
				if strings.Contains(text, typed) {
					t.Errorf("%s holds %q", visit.File, typed)
				}
			}
		}
	}
}
