package api

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Member is one program of the fleet, as its metrics tell.
type Member struct {
	Address string `json:"address"`
	Role    string `json:"role" enum:"agent,aggregator,unknown"`
	Up      bool   `json:"up"`
	Problem string `json:"problem" doc:"Why its metrics could not be read."`
	SeenAt  int64  `json:"seen_at" doc:"When its metrics were last read, Unix milliseconds; 0 for never."`

	Figures  Figures   `json:"figures"`
	Refusals []Refusal `json:"refusals" doc:"What it refused, dropped, lost or set aside, by reason, since it started."`
	History  []Figures `json:"history" doc:"Figures of the last minutes, the oldest first."`
}

// Figures are a program's state at a moment; what a role does not have is 0.
type Figures struct {
	At              int64   `json:"at"`
	AcceptedEvents  float64 `json:"accepted_events_per_second" doc:"Events that an agent took from SDKs."`
	RelayedBatches  float64 `json:"relayed_batches_per_second" doc:"Batches that an aggregator acknowledged to agents."`
	ProcessedEvents float64 `json:"processed_events_per_second" doc:"Events that became rows."`
	InsertedRows    float64 `json:"inserted_rows_per_second"`
	Refused         float64 `json:"refused_per_second" doc:"All refusals together."`
	QueueBytes      float64 `json:"queue_bytes" doc:"Undelivered bytes in an agent's queue."`
	QueueValues     float64 `json:"queue_values" doc:"Undelivered batches in an agent's queue."`
	QueueOldest     float64 `json:"queue_oldest_seconds" doc:"Age of the oldest undelivered batch."`
	QueueShare      float64 `json:"queue_share" doc:"Share of the disk that the queue may take, 0 to 1."`
	LagRecords      float64 `json:"lag_records" doc:"Batches in Kafka that this aggregator has still to read."`
	HTTP3           bool    `json:"http3" doc:"Frames go over HTTP/3."`
}

// Refusal counts what was refused for one reason.
type Refusal struct {
	Where  string `json:"where" doc:"The metric without gosight_ and _total, as ingest_rejected_events."`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

const (
	scrapeEvery   = 5 * time.Second
	scrapeTimeout = 3 * time.Second
	// A program's metrics are some tens of kilobytes.
	maxMetricsBytes = 4 << 20
	historyLength   = 60 // five minutes
)

// members reads the metrics of the programs that it is told of, as Prometheus would, so that the health page works
// without one.
type members struct {
	client *http.Client

	mu  sync.Mutex
	all []*member
}

type member struct {
	Member
	last map[string]float64 // counters at the last look
}

func newMembers(addresses []string) *members {
	f := &members{client: &http.Client{Timeout: scrapeTimeout}}
	for _, address := range addresses {
		f.add(address)
	}
	return f
}

// add makes a program a member, once.
func (f *members) add(address string) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.all, func(m *member) bool { return m.Address == address }) {
		f.all = append(f.all, &member{Member: Member{Address: address, Role: "unknown", Refusals: []Refusal{}, History: []Figures{}}})
	}
}

// watch looks at all members until ctx ends.
func (f *members) watch(ctx context.Context) {
	for {
		f.mu.Lock()
		members := slices.Clone(f.all)
		f.mu.Unlock()
		var looking sync.WaitGroup
		for _, m := range members {
			looking.Go(func() { f.look(ctx, m) })
		}
		looking.Wait()
		select {
		case <-ctx.Done():
			return
		case <-time.After(scrapeEvery):
		}
	}
}

func (f *members) state() (at int64, members []Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	members = make([]Member, len(f.all))
	for i, m := range f.all {
		members[i] = m.Member
		members[i].Refusals, members[i].History = slices.Clone(m.Refusals), slices.Clone(m.History)
	}
	return time.Now().UnixMilli(), members
}

func (f *members) look(ctx context.Context, m *member) {
	families, err := f.read(ctx, m.Address)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		m.Up, m.Problem = false, err.Error()
		return
	}
	m.learn(families, time.Now())
}

func (f *members) read(ctx context.Context, address string) (map[string]*dto.MetricFamily, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s/metrics: %s", address, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(io.LimitReader(response.Body, maxMetricsBytes))
}

// refusals are the counters of what did not go its way.
var refusals = regexp.MustCompile(`^gosight_(\w*(?:refused|rejected|lost|dead_letter|expired|damaged|dropped|unqueued)\w*)_total$`)

func (m *member) learn(families map[string]*dto.MetricFamily, now time.Time) {
	sum := func(name string) (total float64) {
		for _, metric := range families[name].GetMetric() {
			total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
		return total
	}
	counters := map[string]float64{}
	seconds := now.Sub(time.UnixMilli(m.SeenAt)).Seconds()
	rate := func(name string, value float64) float64 {
		counters[name] = value
		before, known := m.last[name]
		if !known || value < before { // it was started again
			return 0
		}
		return (value - before) / seconds
	}
	m.Refusals = []Refusal{}
	var refused float64
	for name, family := range families {
		found := refusals.FindStringSubmatch(name)
		if found == nil {
			continue
		}
		for _, metric := range family.GetMetric() {
			count := metric.GetCounter().GetValue()
			refused += count
			if count > 0 {
				m.Refusals = append(m.Refusals, Refusal{Where: found[1], Reason: labels(metric), Count: uint64(count)})
			}
		}
	}
	slices.SortFunc(m.Refusals, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Where, b.Where), cmp.Compare(a.Reason, b.Reason))
	})
	m.Role = "aggregator"
	if families["gosight_queue_disk_bytes"] != nil {
		m.Role = "agent"
	}
	oldest := 0.0
	for _, metric := range families["gosight_queue_oldest_seconds"].GetMetric() {
		oldest = max(oldest, metric.GetGauge().GetValue())
	}
	m.Figures = Figures{
		At:              now.UnixMilli(),
		AcceptedEvents:  rate("accepted", sum("gosight_ingest_accepted_events_total")),
		RelayedBatches:  rate("relayed", sum("gosight_receive_batches_total")),
		ProcessedEvents: rate("processed", sum("gosight_process_events_total")),
		InsertedRows:    rate("inserted", sum("gosight_store_inserted_rows_total")),
		Refused:         rate("refused", refused),
		QueueBytes:      sum("gosight_queue_depth_bytes"), QueueValues: sum("gosight_queue_depth_values"), QueueOldest: oldest,
		QueueShare: sum("gosight_queue_disk_bytes") / max(1, sum("gosight_queue_disk_limit_bytes")),
		LagRecords: sum("gosight_bus_lag_records"), HTTP3: sum("gosight_forward_http3") > 0,
	}
	if m.last != nil {
		m.History = append(m.History, m.Figures)
		m.History = m.History[max(0, len(m.History)-historyLength):]
	}
	m.last, m.Up, m.Problem, m.SeenAt = counters, true, "", now.UnixMilli()
}

// labels is a counter's reason, with what else tells it apart.
func labels(metric *dto.Metric) string {
	var reason string
	var others []string
	for _, label := range metric.GetLabel() {
		if label.GetName() == "reason" {
			reason = label.GetValue()
		} else {
			others = append(others, label.GetValue())
		}
	}
	return strings.Join(slices.DeleteFunc(append([]string{reason}, others...), func(s string) bool { return s == "" }), ", ")
}
