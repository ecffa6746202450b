package process

import (
	"slices"

	"github.com/gosight/gosight/internal/detect"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	events, signals, unused, erased *prometheus.CounterVec
	age                             *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_process_events_total", Help: "Events that were made into rows, repeats included.",
		}, []string{"lane"}),
		signals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_process_signals_total", Help: "Statements about signals by kind and pass, revisions included.",
		}, []string{"kind", "detected_by"}),
		unused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_process_detect_unused_total",
			Help: "Events that the second pass did not use (late, malformed, repeated, flood: too many of one session) and " +
				"sessions that it let go of early (evicted). Their rows are stored all the same.",
		}, []string{"reason"}),
		erased: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_process_erased_events_total", Help: "Events of erased users and sessions, dropped.",
		}, []string{"lane"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gosight_process_batch_age_seconds",
			Help:    "From when an agent took a batch until its rows could be queried.",
			Buckets: []float64{.1, .25, .5, .75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800},
		}, []string{"lane"}),
	}
	reg.MustRegister(m.events, m.signals, m.unused, m.erased, m.age)
	return m
}

// countSignal counts by kind, where it is one of ours: what an agent sends is no label, it may be anything.
func (m *metrics) countSignal(kind, detectedBy string) {
	if !slices.Contains(detect.Kinds, kind) {
		kind = "other"
	}
	m.signals.WithLabelValues(kind, detectedBy).Inc()
}

// addStats counts what a pass left unused since the last time.
func (m *metrics) addStats(p *secondPass) {
	now := p.engine.Stats()
	m.unused.WithLabelValues("late").Add(float64(now.Late - p.seen.Late))
	m.unused.WithLabelValues("malformed").Add(float64(now.Malformed - p.seen.Malformed))
	m.unused.WithLabelValues("repeated").Add(float64(now.Repeated - p.seen.Repeated))
	m.unused.WithLabelValues("evicted").Add(float64(now.Evicted - p.seen.Evicted))
	m.unused.WithLabelValues("flood").Add(float64(p.flooded))
	p.seen, p.flooded = now, 0
}
