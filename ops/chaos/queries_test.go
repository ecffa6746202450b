package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
)

// checkQueries asks everything that the product ever asks twice: of the tables as they are, with all that was
// inserted again, and of a copy in which every row stands once. No answer may differ.
func (h *house) checkQueries(r *report, ledger map[string]tally) {
	const copied = "once"
	asIs, once := h.store("gosight"), h.store(copied)
	defer asIs.Close()
	defer once.Close()
	ctx := context.Background()
	if err := asIs.Migrate(ctx); err != nil { // nothing is left to migrate, but it learns which tables have projects
		h.t.Fatal(err)
	}
	// The ledger stands there before the schema does, whose migrations then make of it what earlier versions did not
	// keep; sessions alone never came late, so their view's own words say what they are made of.
	h.mustQueryIn("", "CREATE DATABASE "+copied)
	for _, table := range []string{"events", "replay", "signals"} {
		h.mustQuery(fmt.Sprintf("CREATE TABLE %s.%s AS gosight.%[2]s", copied, table))
		h.mustQuery(fmt.Sprintf("INSERT INTO %s.%s SELECT * FROM gosight.%[2]s FINAL", copied, table))
	}
	if err := once.Migrate(ctx); err != nil {
		h.t.Fatal(err)
	}
	view := h.mustQuery("SELECT as_select FROM system.tables WHERE database = '" + copied + "' AND name = 'sessions_from_events' FORMAT TSVRaw")
	h.mustQuery(fmt.Sprintf("INSERT INTO %s.sessions %s", copied, view))
	sessions := make([]string, 0, len(ledger))
	for session := range ledger {
		sessions = append(sessions, session)
	}
	slices.Sort(sessions)
	asked := map[string]bool{"AuditLog": true} // it is made of who asked, and not of events
	for _, q := range questions(sessions) {
		name, _, _ := strings.Cut(q.name, " ")
		asked[name] = true
		got, err := answer(ctx, q, asIs)
		want, onceErr := answer(ctx, q, once)
		if err := errors.Join(err, onceErr); err != nil {
			r.add("query %s: %v", q.name, err)
		}
		if got != want {
			same := 0
			for same < min(len(got), len(want)) && got[same] == want[same] {
				same++
			}
			from := max(0, same-100)
			r.add("query %s: repeats change the answer at %d from\n    …%.400s\n  to\n    …%.400s", q.name, same, want[from:], got[from:])
		}
	}
	for i := range reflect.TypeFor[*store.Reader]().NumMethod() {
		if name := reflect.TypeFor[*store.Reader]().Method(i).Name; !asked[name] {
			r.add("query %s is not asked here: add it to questions", name)
		}
	}
}

func (h *house) store(database string) *store.Store {
	cfg := store.Default()
	cfg.URL, cfg.Database, cfg.EventDays, cfg.ReplayDays = h.clickhouseURL, database, 0, 0
	s, err := store.New(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// question is one way of asking a Reader; its name begins with the method's.
type question struct {
	name string
	ask  func(context.Context, *store.Reader) (any, error)
}

func answer(ctx context.Context, q question, of *store.Store) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said, err := q.ask(ctx, of.Reader("default"))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(said)
	return string(text), err
}

// exported is a question whose answer is a file. Its lines come in any order.
func exported(name string, write func(context.Context, *store.Reader, io.Writer) error) question {
	return question{name, func(ctx context.Context, r *store.Reader) (any, error) {
		var file bytes.Buffer
		err := write(ctx, r, &file)
		lines := strings.Split(file.String(), "\n")
		slices.Sort(lines)
		return lines, err
	}}
}

// questions are all that a Reader can be asked, about all visits and about some. Clocks were off by hours.
func questions(sessions []string) []question {
	from, to := time.Now().Add(-48*time.Hour).UnixMilli(), time.Now().Add(48*time.Hour).UnixMilli()
	all := store.SessionFilter{From: from, To: to, Limit: 200}
	type reader = *store.Reader
	// Live says how long ago rows came in: the copy is younger.
	settled := func(sessions []store.Session, err error) (any, error) {
		for i := range sessions {
			sessions[i].Live = false
		}
		slices.SortFunc(sessions, func(a, b store.Session) int { return strings.Compare(a.SessionID, b.SessionID) })
		return sessions, err
	}
	list := func(name string, f store.SessionFilter) question {
		f.From, f.To, f.Limit = from, to, 200
		return question{"Sessions " + name, func(ctx context.Context, r reader) (any, error) {
			var all []store.Session
			for f := f; ; { // asked again, it begins at the first page again
				page, next, err := r.Sessions(ctx, f)
				if all = append(all, page...); err != nil || next == "" {
					return settled(all, err)
				}
				f.Cursor = next
			}
		}}
	}
	steps := []store.FunnelStep{{Kind: "page", Match: "/p/"}, {Kind: "click", Match: "#f"}, {Kind: "event", Match: "none"}}
	asked := []question{
		list("all", store.SessionFilter{}),
		list("of a page", store.SessionFilter{Page: "/p/unary1"}),
		list("of a user", store.SessionFilter{User: "stream0"}),
		list("with rage", store.SessionFilter{Kinds: []string{"rage_click"}}),
		list("long", store.SessionFilter{MinDurationMS: 2000, Browser: []string{"Firefox"}}),
		{"RecentSessions", func(ctx context.Context, r reader) (any, error) {
			return settled(r.RecentSessions(ctx, 48*time.Hour, len(sessions)))
		}},
		{"Facets", func(ctx context.Context, r reader) (any, error) {
			facets, err := r.Facets(ctx, from, to)
			facets.Live = 0
			return facets, err
		}},
		{"TopPages", func(ctx context.Context, r reader) (any, error) { return r.TopPages(ctx, from, to) }},
		{"Funnel", func(ctx context.Context, r reader) (any, error) {
			return r.Funnel(ctx, store.FunnelFilter{From: from, To: to, WindowMS: 3_600_000, Steps: steps})
		}},
		{"Insights", func(ctx context.Context, r reader) (any, error) {
			return r.Insights(ctx, store.InsightFilter{From: from, To: to, BucketMS: 60_000})
		}},
		{"Paths", func(ctx context.Context, r reader) (any, error) {
			return r.Paths(ctx, store.PathFilter{From: from, To: to, Steps: 3})
		}},
		{"Retention", func(ctx context.Context, r reader) (any, error) { return r.Retention(ctx, from, to) }},
		{"Segments", func(ctx context.Context, r reader) (any, error) { return r.Segments(ctx) }},
		{"Annotations", func(ctx context.Context, r reader) (any, error) { return r.Annotations(ctx, from, to) }},
		exported("ExportSessions", func(ctx context.Context, r reader, to io.Writer) error {
			return r.ExportSessions(ctx, all, "csv", to)
		}),
		exported("ExportSignals", func(ctx context.Context, r reader, out io.Writer) error {
			return r.ExportSignals(ctx, store.InsightFilter{From: from, To: to, BucketMS: 60_000}, "csv", out)
		}),
		{"LastAlert", func(ctx context.Context, r reader) (any, error) { return r.LastAlert(ctx, "none") }},
		{"MatchAlert", func(ctx context.Context, r reader) (any, error) {
			return r.MatchAlert(ctx, store.AlertFilter{Kind: "rage_click", From: from, To: to}, 1)
		}},
	}
	for _, kind := range []string{"click", "rage_click"} {
		for _, run := range []string{"unary0", "http1", "rage0"} {
			asked = append(asked, question{"Heatmap of " + kind + " on " + run, func(ctx context.Context, r reader) (any, error) {
				return r.Heatmap(ctx, store.HeatFilter{From: from, To: to, Page: pageOf(run), Kind: kind, Viewport: "desktop"})
			}})
		}
	}
	for i := 0; i < len(sessions); i += max(1, len(sessions)/6) {
		id := sessions[i]
		asked = append(asked,
			question{"Session " + id, func(ctx context.Context, r reader) (any, error) {
				session, err := r.Session(ctx, id)
				session.Live = false
				return session, err
			}},
			question{"Signals " + id, func(ctx context.Context, r reader) (any, error) { return r.Signals(ctx, id) }},
			question{"Pages " + id, func(ctx context.Context, r reader) (any, error) { return r.Pages(ctx, id) }},
			question{"Events " + id, func(ctx context.Context, r reader) (any, error) {
				events, next, err := r.Events(ctx, id, nil, "", 1000)
				return []any{events, next}, err
			}},
			exported("ExportEvents "+id, func(ctx context.Context, r reader, to io.Writer) error {
				return r.ExportEvents(ctx, id, "csv", to)
			}),
			question{"EventsSince " + id, func(ctx context.Context, r reader) (any, error) { return r.EventsSince(ctx, id, 0) }},
			question{"Replay " + id, func(ctx context.Context, r reader) (any, error) { return r.Replay(ctx, id, 0, "", 1000) }},
			question{"ReplaySince " + id, func(ctx context.Context, r reader) (any, error) { return r.ReplaySince(ctx, id, 0) }},
		)
	}
	return asked
}
