package alert

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/gosight/gosight/aggregator/store"
)

// Watcher evaluates the rules.
type Watcher struct {
	cfg     Config
	rules   []Rule
	store   *store.Store
	client  *http.Client
	metrics *metrics
	log     *slog.Logger
}

// New reads the rules.
func New(cfg Config, st *store.Store, reg prometheus.Registerer, log *slog.Logger) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &Watcher{cfg: cfg, store: st, metrics: newMetrics(reg), log: log.With("part", "alert"),
		client: &http.Client{Timeout: cfg.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // an alert goes where its rule says and nowhere else
		}}}
	if cfg.Rules != "" {
		rules, err := Load(cfg.Rules)
		if err != nil {
			return nil, err
		}
		w.rules = rules
	}
	return w, nil
}

// Run evaluates each rule by itself, so that a slow receiver delays no other rule, until ctx ends. The schema must be
// there.
func (w *Watcher) Run(ctx context.Context) error {
	var group errgroup.Group
	for i := range w.rules {
		group.Go(func() error {
			w.follow(ctx, &w.rules[i])
			return nil
		})
	}
	return group.Wait()
}

func (w *Watcher) follow(ctx context.Context, rule *Rule) {
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		result, err := w.evaluate(ctx, rule, time.Now())
		if ctx.Err() != nil {
			return
		}
		w.metrics.evaluations.WithLabelValues(result).Inc()
		if err != nil {
			w.log.Warn("alert", "project", rule.Project, "rule", rule.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// What an evaluation can come to.
const (
	quiet   = "quiet"   // not enough signals
	cooling = "cooling" // posted a while ago
	posted  = "posted"
	failed  = "failed" // ClickHouse or the receiver did not answer; tried again at the next evaluation
)

func (w *Watcher) evaluate(ctx context.Context, rule *Rule, now time.Time) (string, error) {
	reader := w.store.Reader(rule.Project)
	asking, cancel := context.WithTimeout(ctx, max(w.cfg.Every, 5*time.Second))
	defer cancel()
	last, err := reader.LastAlert(asking, rule.Name)
	if err != nil {
		return failed, err
	}
	if now.Sub(time.UnixMilli(last)) < rule.Cooldown {
		return cooling, nil
	}
	match, err := reader.MatchAlert(asking, rule.filter(now), rule.Count)
	if err != nil {
		return failed, err
	}
	if match.Signals < rule.Count {
		return quiet, nil
	}
	window := now.Truncate(rule.Cooldown)
	if err := w.post(ctx, rule, w.message(rule, match, now, window)); err != nil {
		return failed, err
	}
	// It went out: it is remembered even if the program is told to stop now.
	return posted, w.store.RecordAlert(context.WithoutCancel(ctx), store.AlertSent{Project: rule.Project, Rule: rule.Name,
		WindowStart: window.UnixMilli(), SentAt: now.UnixMilli(), Signals: match.Signals})
}

// Message is what is posted, as JSON. Times are Unix milliseconds.
type Message struct {
	// ID is the same for every post of one alert.
	ID       string    `json:"id"`
	Rule     string    `json:"rule"`
	Project  string    `json:"project"`
	Kind     string    `json:"kind"`
	Page     string    `json:"page,omitempty"`
	Selector string    `json:"selector,omitempty"`
	From     int64     `json:"from"`
	To       int64     `json:"to"`
	Signals  uint64    `json:"signals"`
	Sessions uint64    `json:"sessions"`
	Text     string    `json:"text"`
	Examples []Example `json:"examples"`
}

// Example is a visit to look at. Link opens its replay where the signal is; "" without a public URL.
type Example struct {
	SessionID string `json:"session_id"`
	TS        int64  `json:"ts"`
	URL       string `json:"url"`
	Selector  string `json:"selector,omitempty"`
	Link      string `json:"link,omitempty"`
}

func (w *Watcher) message(rule *Rule, match store.AlertMatch, now, window time.Time) Message {
	where := rule.Page
	if rule.Selector != "" {
		where = strings.TrimSpace(where + " " + rule.Selector)
	}
	if where != "" {
		where = " on " + where
	}
	m := Message{
		ID:   fmt.Sprintf("%s/%s/%d", rule.Project, rule.Name, window.UnixMilli()),
		Rule: rule.Name, Project: rule.Project, Kind: rule.Kind, Page: rule.Page, Selector: rule.Selector,
		From: now.Add(-rule.Window).UnixMilli(), To: now.UnixMilli(), Signals: match.Signals, Sessions: match.Sessions,
		Text: fmt.Sprintf("%s: %d × %s in %d visits within %s%s", rule.Name, match.Signals,
			strings.ReplaceAll(rule.Kind, "_", " "), match.Sessions, rule.Window, where),
		Examples: make([]Example, len(match.Examples)),
	}
	for i, e := range match.Examples {
		m.Examples[i] = Example{SessionID: e.SessionID, TS: e.TS, URL: e.URL, Selector: e.Selector}
		if w.cfg.PublicURL == "" {
			continue
		}
		query := url.Values{}
		if rule.Project != "default" {
			query.Set("project", rule.Project)
		}
		if e.StartedAt > 0 {
			query.Set("t", fmt.Sprint(max(e.TS-e.StartedAt, 0)))
		}
		link := strings.TrimSuffix(w.cfg.PublicURL, "/") + "/sessions/" + url.PathEscape(e.SessionID)
		if len(query) > 0 {
			link += "?" + query.Encode()
		}
		m.Examples[i].Link = link
	}
	return m
}
