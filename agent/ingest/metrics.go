package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/proto/gen/gosight"
)

type metrics struct {
	acceptedEvents, replayEvents prometheus.Counter
	rejectedEvents               *prometheus.CounterVec
	refusedRequests              *prometheus.CounterVec
	maskedPlaces, lostSignals    prometheus.Counter
	reloadFailed                 prometheus.Counter
	foundSignals                 *prometheus.CounterVec
	ackSeconds                   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	accepted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gosight_ingest_accepted_events_total", Help: "Events that are on disk and were acknowledged, by lane.",
	}, []string{"lane"})
	m := &metrics{
		acceptedEvents: accepted.WithLabelValues("events"),
		replayEvents:   accepted.WithLabelValues("replay"),
		rejectedEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_ingest_rejected_events_total", Help: "Events that were refused and stored nowhere, by reason.",
		}, []string{"reason"}),
		refusedRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_ingest_refused_requests_total", Help: "Requests that were refused as a whole, by reason.",
		}, []string{"reason"}),
		maskedPlaces: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gosight_ingest_masked_total", Help: "Places in payloads and URLs where personal data was taken out.",
		}),
		lostSignals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gosight_ingest_unqueued_signals_total", Help: "First-pass signals that found no room in the queue and are left to the second pass.",
		}),
		reloadFailed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gosight_ingest_reload_failures_total", Help: "Renewed certificates and geography databases that could not be loaded; those before stay in use.",
		}),
		foundSignals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_ingest_signals_total", Help: "Signal revisions that the first pass said, by kind.",
		}, []string{"kind"}),
		ackSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gosight_ingest_ack_seconds", Help: "From a decoded request to its acknowledgement.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	reg.MustRegister(accepted, m.rejectedEvents, m.refusedRequests, m.maskedPlaces, m.lostSignals, m.reloadFailed, m.foundSignals, m.ackSeconds)
	return m
}

func (m *metrics) accepted(lane gosight.Lane, events uint64) {
	if lane == gosight.Lane_LANE_REPLAY {
		m.replayEvents.Add(float64(events))
		return
	}
	m.acceptedEvents.Add(float64(events))
}

func (m *metrics) rejected(reason string, events uint64) {
	m.rejectedEvents.WithLabelValues(reason).Add(float64(events))
}

func (m *metrics) refused(reason string) { m.refusedRequests.WithLabelValues(reason).Inc() }

func (m *metrics) masked(places int) {
	if places > 0 {
		m.maskedPlaces.Add(float64(places))
	}
}

func (m *metrics) signals(signals []*gosight.Signal) {
	for _, signal := range signals {
		m.foundSignals.WithLabelValues(signal.Kind).Inc()
	}
}
