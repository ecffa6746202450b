package store

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	rows    *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	failed  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_store_inserted_rows_total", Help: "Rows that ClickHouse has taken, repeats included.",
		}, []string{"table"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_store_inserted_bytes_total", Help: "Bytes of Native blocks that ClickHouse has taken.",
		}, []string{"table"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_store_insert_errors_total",
			Help: "Inserts that failed, by reason: timeout, refused (by ClickHouse) or unreachable. They are tried again.",
		}, []string{"table", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gosight_store_insert_seconds", Help: "How long an insert took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"table"}),
	}
	reg.MustRegister(m.rows, m.bytes, m.failed, m.seconds)
	return m
}
