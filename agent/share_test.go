package agent

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// With the centre away a loud site fills its share of the queue and is told to come again; a quiet one is taken in,
// events and replay, and so it is after a restart.
func TestALoudSiteDoesNotStarveAQuietOne(t *testing.T) {
	dir := t.TempDir()
	within := func(c *Config) {
		c.DataDir, c.AllowAnonymousLoopback = dir, false
		c.Keys = map[string]string{"gs_loud": "loud", "gs_quiet": "quiet"}
		c.Rate.Session, c.Rate.SessionBurst = 0, 0 // not what is tried here
		c.Queue.SegmentBytes, c.Queue.MaxBytes, c.Queue.MinFreeBytes = 256<<10, 8<<20, 0
	}
	send := func(a *Agent, key, kind string, bytes int) (status int, retryAfter, said string) {
		t.Helper()
		body := fmt.Sprintf(`{"sessionId":"s","events":[{"eventType":%q,"payload":"{\"text\":\"%s\"}"}]}`,
			kind, strings.Repeat("x", bytes))
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+a.Addrs().HTTP+"/gosight.Ingestor/SendBatch", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Gosight-Key", key)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header.Get("Retry-After"), string(text)
	}
	check := func(a *Agent, when string) {
		t.Helper()
		full := false
		for range 1000 {
			status, retryAfter, said := send(a, "gs_loud", "custom", 60_000)
			if full = status == http.StatusTooManyRequests; full {
				if retryAfter == "" || !strings.Contains(said, "share of the queue") {
					t.Errorf("%s: refused with delay %q: %s", when, retryAfter, said)
				}
				break
			}
		}
		if !full {
			t.Fatalf("%s: the loud site sent 60 MB and was never refused", when)
		}
		for range 5 {
			for _, kind := range []string{"custom", "mutation"} {
				if status, _, said := send(a, "gs_quiet", kind, 5000); status != http.StatusOK || !strings.Contains(said, `"accepted":"1"`) {
					t.Errorf("%s, %s of the quiet site: %d %s", when, kind, status, said)
				}
			}
		}
		metrics, err := http.Get("http://" + a.Addrs().Admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer metrics.Body.Close()
		text, err := io.ReadAll(metrics.Body)
		if err != nil || !strings.Contains(string(text), `gosight_ingest_refused_requests_total{reason="queue_share"} 1`) {
			t.Errorf("%s: the refusal is not counted: %v", when, err)
		}
	}
	a, stop := start(t, within)
	check(a, "before a restart")
	stop()
	a, _ = start(t, within)
	check(a, "after a restart")
}
