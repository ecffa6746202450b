package receive

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gosight/gosight/proto/gen/gosight"
)

type metrics struct {
	requests     *prometheus.CounterVec
	refusals     *prometheus.CounterVec
	batches      *prometheus.CounterVec
	rawBytes     *prometheus.CounterVec
	wireBytes    prometheus.Counter
	deadLettered prometheus.Counter
	erased       prometheus.Counter
	reloadFailed prometheus.Counter
	produce      prometheus.Histogram
	inFlight     *atomic.Int64
	reserved     *atomic.Int64
}

func newMetrics(reg prometheus.Registerer) metrics {
	auto := promauto.With(reg)
	m := metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_receive_requests_total", Help: "Requests admitted, by protocol.",
		}, []string{"protocol"}),
		refusals: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_receive_refused_total", Help: "Requests refused, by reason; nothing of them is stored.",
		}, []string{"reason"}),
		batches: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_receive_batches_total", Help: "Batches that the producer took.",
		}, []string{"lane"}),
		rawBytes: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_receive_raw_bytes_total", Help: "Size of the batches that the producer took.",
		}, []string{"lane"}),
		wireBytes: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_receive_wire_bytes_total", Help: "Size of the frames that the producer took, as sent.",
		}),
		deadLettered: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_receive_dead_lettered_total", Help: "Batches that went to the dead-letter topic.",
		}),
		erased: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_receive_erased_total", Help: "Batches of erased users and sessions that agents still had, dropped.",
		}),
		reloadFailed: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_receive_reload_failures_total", Help: "Changed credentials that could not be loaded.",
		}),
		produce: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "gosight_receive_produce_seconds", Help: "Time for a frame to be acknowledged behind us.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		inFlight: new(atomic.Int64),
		reserved: new(atomic.Int64),
	}
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gosight_receive_in_flight_requests", Help: "Requests being worked on.",
	}, func() float64 { return float64(m.inFlight.Load()) })
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gosight_receive_in_flight_bytes", Help: "Memory set aside for requests being worked on.",
	}, func() float64 { return float64(m.reserved.Load()) })
	return m
}

func (m metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// enter counts a request; the function that it returns says that the request is over.
func (m metrics) enter(r *http.Request, bytes int64) (leave func()) {
	m.requests.WithLabelValues(r.Proto).Inc()
	m.inFlight.Add(1)
	m.reserved.Add(bytes)
	return func() {
		m.inFlight.Add(-1)
		m.reserved.Add(-bytes)
	}
}

func (m metrics) took(records []Record, wireBytes, dead int, produced time.Duration) {
	var batches, bytes [2]int
	for _, record := range records {
		i := 0
		if record.Lane == gosight.Lane_LANE_REPLAY {
			i = 1
		}
		batches[i]++
		bytes[i] += len(record.Value)
	}
	for i, lane := range []string{"events", "replay"} {
		m.batches.WithLabelValues(lane).Add(float64(batches[i]))
		m.rawBytes.WithLabelValues(lane).Add(float64(bytes[i]))
	}
	m.wireBytes.Add(float64(wireBytes))
	m.deadLettered.Add(float64(dead))
	m.produce.Observe(produced.Seconds())
}
