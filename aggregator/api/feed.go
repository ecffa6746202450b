package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/gosight/gosight/aggregator/store"
)

// recentWindow is how far back the feed looks: over the minute after which a visit stops being live, so that its
// end is news too.
const recentWindow = 2 * time.Minute

// newsWindow is how far back most looks go, and how often one goes back over the whole of recentWindow: signals come
// up to some seconds after the events that they are made of, ends of visits can wait.
const newsWindow = 10 * time.Second

// loadRecent returns the visits that got rows within the window.
type loadRecent func(ctx context.Context, project string, window time.Duration) ([]store.Session, error)

// feed tells streams which visits changed. One poll serves all streams of a project, and a project that nobody
// watches costs nothing.
type feed struct {
	every   time.Duration
	load    loadRecent
	metrics *metrics
	log     *slog.Logger

	mu     sync.Mutex
	topics map[string]*topic
}

// topic is one watched project; its streams are guarded by the feed's mutex.
type topic struct {
	streams map[chan []store.Session]struct{}
	stop    context.CancelFunc
}

func newFeed(every time.Duration, load loadRecent, m *metrics, log *slog.Logger) *feed {
	return &feed{every: every, load: load, metrics: m, log: log, topics: map[string]*topic{}}
}

// join returns a channel of changes, closed when its reader falls behind, and what ends it.
func (f *feed) join(project string) (<-chan []store.Session, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.topics[project]
	if t == nil {
		ctx, stop := context.WithCancel(context.Background())
		t = &topic{streams: map[chan []store.Session]struct{}{}, stop: stop}
		f.topics[project] = t
		go f.watch(ctx, project, t)
	}
	ch := make(chan []store.Session, 16)
	t.streams[ch] = struct{}{}
	return ch, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(t.streams, ch)
		if len(t.streams) == 0 && f.topics[project] == t {
			delete(f.topics, project)
			t.stop()
		}
	}
}

func (f *feed) watch(ctx context.Context, project string, t *topic) {
	seen := map[string]string{}
	first, failing := true, false
	var whole time.Time // when the last look over the whole of recentWindow began
	for {
		window, began := newsWindow, time.Now()
		if began.Sub(whole) >= newsWindow {
			window = recentWindow
		}
		sessions, err := f.load(ctx, project, window)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				f.log.Warn("live feed: load recent visits", "project", project, "error", err)
			}
			failing = true
		default:
			failing = false
			changed, now := changes(seen, sessions)
			if window == recentWindow {
				seen, whole = now, began
			} else {
				maps.Copy(seen, now)
			}
			// What the first look finds is in the list that the client loads anyway.
			if len(changed) > 0 && !first {
				f.publish(t, changed)
			}
			first = false
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.every):
		}
	}
}

func (f *feed) publish(t *topic, changed []store.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch := range t.streams {
		select {
		case ch <- changed:
		default:
			f.metrics.dropped.Inc()
			delete(t.streams, ch)
			close(ch)
		}
	}
}

// changes returns the visits whose state differs from what was seen, and what is seen now.
func changes(seen map[string]string, sessions []store.Session) ([]store.Session, map[string]string) {
	now := make(map[string]string, len(sessions))
	var changed []store.Session
	for _, s := range sessions {
		state := stateOf(s)
		now[s.SessionID] = state
		if seen[s.SessionID] != state {
			changed = append(changed, s)
		}
	}
	return changed, now
}

// stateOf is equal where two looks at a visit would show the same.
func stateOf(s store.Session) string {
	return fmt.Sprint(s.Live, s.EndedAt, s.Events, s.UserID, s.Signals, s.HasReplay, s.Country)
}
