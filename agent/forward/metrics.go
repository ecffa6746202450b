package forward

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests   *prometheus.CounterVec
	frames     *prometheus.CounterVec
	values     prometheus.Counter
	rawBytes   prometheus.Counter
	wireBytes  prometheus.Counter
	retries    *prometheus.CounterVec
	hedges     *prometheus.CounterVec
	rejected   *prometheus.CounterVec
	quicFailed *prometheus.CounterVec
	http3      *prometheus.GaugeVec
	inFlight   prometheus.Gauge
	seconds    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) metrics {
	auto := promauto.With(reg)
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: "gosight_forward_" + name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: "gosight_forward_" + name, Help: help})
	}
	return metrics{
		requests:   vec("requests_total", "Attempts to send a frame, by transport.", "aggregator", "transport"),
		frames:     vec("frames_total", "Frames that were acknowledged.", "aggregator"),
		retries:    vec("retries_total", "Attempts that have to be repeated, by reason.", "aggregator", "reason"),
		hedges:     vec("hedges_total", "Frames that were sent to another aggregator too, since this one did not answer.", "aggregator"),
		rejected:   vec("rejected_total", "Batches refused for good and set aside on disk.", "reason"),
		quicFailed: vec("http3_failures_total", "Attempts at an HTTP/3 connection that failed.", "aggregator"),
		values:     counter("batches_total", "Batches that were acknowledged."),
		rawBytes:   counter("raw_bytes_total", "Size of the batches that were acknowledged."),
		wireBytes:  counter("wire_bytes_total", "Size of the frames that were acknowledged, as sent."),
		http3: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gosight_forward_http3", Help: "1 while frames go over HTTP/3, 0 while over HTTP/2.",
		}, []string{"aggregator"}),
		inFlight: auto.NewGauge(prometheus.GaugeOpts{
			Name: "gosight_forward_in_flight_frames", Help: "Frames being sent.",
		}),
		seconds: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "gosight_forward_seconds", Help: "Time for a frame to be acknowledged, without retries.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
}

func (m metrics) acknowledged(address string, values [][]byte, wireBytes int, took time.Duration) {
	raw := 0
	for _, value := range values {
		raw += len(value)
	}
	m.frames.WithLabelValues(address).Inc()
	m.values.Add(float64(len(values)))
	m.rawBytes.Add(float64(raw))
	m.wireBytes.Add(float64(wireBytes))
	m.seconds.Observe(took.Seconds())
}
