package seed

import (
	"io"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

// What the loader says it stored is what ClickHouse counts, in the ledger, in the visits and in the signals.
func TestWhatIsLoadedIsCounted(t *testing.T) {
	cfg := Default()
	cfg.ClickHouse.URL = enginetest.TestClickHouse(t)
	cfg.Events, cfg.Sessions, cfg.Recorded, cfg.Days = 20_000, 100, 0.2, 10
	total, err := Run(t.Context(), cfg, io.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if total.Visits != 100 || total.Events-total.ReplayEvents < 15_000 || total.Events-total.ReplayEvents > 25_000 ||
		total.Signals == 0 || total.ReplayEvents == 0 || total.JSON <= total.Replay {
		t.Errorf("loaded %+v", total)
	}
	st, err := store.New(cfg.ClickHouse, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for query, want := range map[string]int64{
		"SELECT count() FROM events FINAL":                           total.Events,
		"SELECT sum(events) FROM sessions FINAL":                     total.Events,
		"SELECT count() FROM sessions FINAL":                         total.Visits,
		"SELECT uniqExact(session_id) FROM session_days":             total.Visits,
		"SELECT count() FROM signals FINAL":                          total.Signals,
		"SELECT count() FROM signals FINAL WHERE detected_by='edge'": 0,
		"SELECT count() FROM replay FINAL":                           total.ReplayEvents,
		"SELECT count() FROM replay FINAL WHERE NOT isValidJSON(data) OR JSONExtractInt(data, 'timestamp') != toUnixTimestamp64Milli(ts)": 0,
		"SELECT count() FROM signals FINAL WHERE first_event_id NOT IN (SELECT event_id FROM events)":                                     0,
	} {
		var got uint64
		if err := st.Conn().QueryRow(t.Context(), query).Scan(&got); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if int64(got) != want {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"no days":     func(c *Config) { c.Days = 0 },
		"too short":   func(c *Config) { c.Sessions = c.Events },
		"over all":    func(c *Config) { c.Recorded = 2 },
		"clickhouse":  func(c *Config) { c.ClickHouse.URL = "nowhere" },
		"few workers": func(c *Config) { c.Workers = 0 },
	} {
		c := Default()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
