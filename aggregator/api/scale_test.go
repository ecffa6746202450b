package api

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// BenchmarkScale prints how long the API takes over generated history: GOSIGHT_SCALE_SESSIONS visits (100,000
// where it is unset) of 40 events each over 30 days. The rows are made inside the engine.
func BenchmarkScale(b *testing.B) {
	sessions, err := strconv.Atoi(os.Getenv("GOSIGHT_SCALE_SESSIONS"))
	if err != nil {
		sessions = 100_000
	}
	st := openStore(b)
	generate(b, st, sessions)
	server := serve(b, st, nil)
	now := time.Now().UnixMilli()
	week, month := now-7*86_400_000, now-30*86_400_000
	for name, path := range map[string]string{
		"sessions":            "/sessions",
		"sessions-week":       fmt.Sprintf("/sessions?from=%d", week),
		"sessions-kind":       "/sessions?kind=rage_click",
		"sessions-country":    "/sessions?country=VN&device=mobile",
		"sessions-user":       "/sessions?user=user-77",
		"sessions-errors":     "/sessions?errors=true",
		"sessions-duration":   "/sessions?min_duration_ms=60000",
		"sessions-page":       fmt.Sprintf("/sessions?page=/p/7&from=%d", week),
		"facets-week":         fmt.Sprintf("/facets?from=%d", week),
		"insights-month":      fmt.Sprintf("/insights?from=%d&to=%d&bucket_ms=86400000", month, now),
		"insights-week":       fmt.Sprintf("/insights?from=%d&to=%d&bucket_ms=21600000", week, now),
		"heatmap-week":        fmt.Sprintf("/heatmap?from=%d&to=%d&page=https://shop.example/p/7", week, now),
		"funnel-week":         fmt.Sprintf("/funnel?from=%d&to=%d&step=page:/p/7&step=click:buy", week, now),
		"session":             "/sessions/s-5000",
		"session-events":      "/sessions/s-5000/events",
		"session-replay-none": "/sessions/s-5000/replay",
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				res, err := http.Get(server.URL + base + path)
				if err != nil {
					b.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 {
					b.Fatalf("%s: %d %s %v", path, res.StatusCode, body, err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
		})
	}
}

func generate(b *testing.B, st *store.Store, sessions int) {
	b.Helper()
	const events = `INSERT INTO events (project, session_id, event_id, user_id, event_type, ts, received_at, url, page_id,
			country, browser, os, device, x, y, page_x, page_y, vw, vh, selector, text, payload)
		SELECT 'default', concat('s-', toString(s)), concat('e', toString(number)), if(s %% 3 = 0, concat('user-', toString(s %% 9000)), ''),
			multiIf(n = 0, 'page_load', n = 39, 'page_exit', n %% 13 = 5 AND s %% 20 = 0, 'error', n %% 3 = 0, 'scroll', 'click'),
			now64(3) - toIntervalMillisecond(toUInt64(s) * 2592000000 / %[1]d) - toIntervalMillisecond((39 - n) * (500 + s %% 4000)) AS at, at,
			concat('https://shop.example/p/', toString(cityHash64(s, intDiv(n, 10)) %% 400)), concat('p', toString(intDiv(n, 10))),
			['VN', 'DE', 'US', 'FR', 'JP'][1 + s %% 5], ['Chrome', 'Firefox', 'Safari'][1 + s %% 3], 'Linux',
			['desktop', 'mobile'][1 + s %% 2], rand(1) %% 1280, rand(2) %% 800, rand(1) %% 1280, rand(2) %% 3000,
			if(n %% 3 = 1, 1280, 0), 800, concat('button.buy-', toString(n)), 'Buy', '{"x":1,"y":2,"selector":"button.buy","tag":"button"}'
		FROM (SELECT number, intDiv(number, 40) AS s, number %% 40 AS n FROM numbers(%[2]d, %[3]d))`
	const signals = `INSERT INTO signals (project, session_id, signal_id, kind, ts, received_at, url, page_id, selector, text,
			count, detected_by, final, version)
		SELECT 'default', concat('s-', toString(number)), concat('g', toString(number)),
			['rage_click', 'dead_click', 'thrashed_cursor', 'u_turn'][1 + cityHash64(number) %% 4],
			now64(3) - toIntervalMillisecond(number * 2592000000 / %[1]d), now64(3),
			concat('https://shop.example/p/', toString(cityHash64(number, 1) %% 400)), 'p1',
			concat('button.buy-', toString(number %% 500)), 'Buy', 6, 'centre', true, 4294967296
		FROM numbers(%[1]d) WHERE number %% 4 = 0`
	start := time.Now()
	const batch = 4_000_000
	for from := 0; from < sessions*40; from += batch {
		if err := st.Conn().Exec(b.Context(), fmt.Sprintf(events, sessions, from, min(batch, sessions*40-from))); err != nil {
			b.Fatal(err)
		}
	}
	if err := st.Conn().Exec(b.Context(), fmt.Sprintf(signals, sessions)); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d visits, %d events generated in %s", sessions, sessions*40, time.Since(start).Round(time.Second))
}
