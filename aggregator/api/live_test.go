package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
)

// stream reads a live stream's messages into a channel, closed when the stream ends.
func stream(t *testing.T, server *httptest.Server, path string) <-chan [2]string {
	t.Helper()
	res, err := http.Get(server.URL + base + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("GET %s: %d %s", path, res.StatusCode, body)
	}
	messages := make(chan [2]string, 100)
	go func() {
		defer close(messages)
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 4<<20)
		event := ""
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				event = name
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				messages <- [2]string{event, data}
			}
		}
	}()
	return messages
}

// await returns the first message that the condition takes, of this name where one is given.
func await(t *testing.T, messages <-chan [2]string, name string, ok func([2]string) bool) [2]string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case m, open := <-messages:
			if !open {
				t.Fatalf("stream ended before %q", name)
			}
			if (name == "" || m[0] == name) && ok(m) {
				return m
			}
		case <-deadline:
			t.Fatalf("no %q came", name)
		}
	}
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func whatever([2]string) bool { return true }

func TestLive(t *testing.T) {
	st := openStore(t)
	server := serve(t, st, nil)
	all := stream(t, server, "/live")
	await(t, all, "beat", whatever)
	one := stream(t, server, "/sessions/now/live")

	newSeeder(t).live(t.Context(), st, "now", "begin")
	news := await(t, all, "sessions", func(m [2]string) bool {
		return decode[sessionsNews](t, m[1]).Sessions[0].HasReplay
	})
	if s := decode[sessionsNews](t, news[1]).Sessions[0]; s.SessionID != "now" || !s.Live {
		t.Errorf("news %+v", s)
	}
	replay := decode[replayNews](t, await(t, one, "replay", whatever)[1])
	if len(replay.IDs) != 20 || len(replay.Events) != 20 {
		t.Errorf("%d replay events, want 20", len(replay.Events))
	}

	newSeeder(t).live(t.Context(), st, "now", "rage")
	await(t, all, "sessions", func(m [2]string) bool {
		return decode[sessionsNews](t, m[1]).Sessions[0].Signals["rage_click"] == 1
	})
	// Each table's rows arrive by their own insert: the messages come in any order.
	frames, clicks, rages := 0, 0, 0
	for frames < 40 || clicks < 1 || rages < 1 {
		await(t, one, "", func(m [2]string) bool {
			switch m[0] {
			case "replay":
				frames += len(decode[replayNews](t, m[1]).Events)
			case "events":
				clicks += len(decode[eventsNews](t, m[1]).Events)
			case "signals":
				rages += len(decode[signalsNews](t, m[1]).Signals)
			}
			return true
		})
	}
	if frames != 40 || clicks != 1 || rages != 1 {
		t.Errorf("%d frames, %d clicks, %d signals; want 40, 1, 1: what was sent before is not sent again", frames, clicks, rages)
	}
}

func TestTooManyStreams(t *testing.T) {
	st := openStore(t)
	server := serve(t, st, func(c *Config) { c.MaxStreams = 1 })
	stream(t, server, "/live")
	res, err := http.Get(server.URL + base + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", res.StatusCode)
	}
}

// recentVisits is a store whose recent visits a test sets.
type recentVisits struct {
	mu       sync.Mutex
	loads    int
	sessions []store.Session
	err      error
}

func (r *recentVisits) load(context.Context, string, time.Duration) ([]store.Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loads++
	return r.sessions, r.err
}

func (r *recentVisits) set(err error, sessions ...store.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions, r.err = sessions, err
}

func (r *recentVisits) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loads
}

func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recent := &recentVisits{sessions: []store.Session{{SessionID: "a", Events: 1}}}
		f := newFeed(time.Second, recent.load, newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))

		first, leaveFirst := f.join("default")
		second, leaveSecond := f.join("default")
		synctest.Wait()
		if loads := recent.count(); loads != 1 || len(first) != 0 {
			t.Fatalf("%d loads, %d messages: two streams share a poll, and the first look is no news", loads, len(first))
		}
		recent.set(nil, store.Session{SessionID: "a", Events: 1}, store.Session{SessionID: "b", Events: 1})
		time.Sleep(time.Second)
		synctest.Wait()
		for _, ch := range []<-chan []store.Session{first, second} {
			if got := <-ch; len(got) != 1 || got[0].SessionID != "b" {
				t.Errorf("news %v, want b alone", got)
			}
		}
		// A failing store is no end: the next look finds what changed.
		recent.set(errors.New("down"))
		time.Sleep(3 * time.Second)
		recent.set(nil, store.Session{SessionID: "a", Events: 2}, store.Session{SessionID: "b", Events: 1})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := <-first; got[0].SessionID != "a" {
			t.Errorf("news %v", got)
		}
		// A stream that does not read is ended; the other is not.
		leaveFirst()
		for i := range 40 {
			recent.set(nil, store.Session{SessionID: "a", Events: uint64(10 + i)})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		received := 0
		for range second {
			received++
		}
		if received > 17 {
			t.Errorf("a stuck stream got %d messages", received)
		}
		leaveSecond()
		before := recent.count()
		time.Sleep(5 * time.Second)
		if recent.count() != before {
			t.Error("nobody watches, and it still looks")
		}
	})
}
