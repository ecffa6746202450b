package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	seconds *prometheus.HistogramVec
	refused *prometheus.CounterVec
	streams prometheus.Gauge
	dropped prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gosight_api_request_seconds", Help: "Time to answer, by operation and status class.",
			Buckets: []float64{.005, .02, .05, .1, .2, .3, .5, 1, 2, 5, 10},
		}, []string{"route", "status"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_api_refused_total", Help: "Requests not answered with data, by reason.",
		}, []string{"reason"}),
		streams: f.NewGauge(prometheus.GaugeOpts{
			Name: "gosight_api_live_streams", Help: "Live streams open.",
		}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "gosight_api_live_dropped_total", Help: "Live streams ended because the client read too slowly.",
		}),
	}
	for _, reason := range []string{"busy", "timeout", "store", "unauthorized", "forbidden", "sign_in_limited", "foreign_host", "streams"} {
		m.refused.WithLabelValues(reason)
	}
	return m
}

// statusWriter remembers the status; Unwrap lets http.ResponseController through to flush and set deadlines.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// observed measures queries by the route that answered them, so that no session id becomes a label.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, base+"/") || strings.HasSuffix(r.URL.Path, "/live") {
			next.ServeHTTP(w, r)
			return
		}
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		next.ServeHTTP(sw, r)
		route := r.Pattern
		if route == "" {
			route = "none"
		}
		s.metrics.seconds.WithLabelValues(route, strconv.Itoa(sw.status/100)+"xx").Observe(time.Since(start).Seconds())
	})
}
