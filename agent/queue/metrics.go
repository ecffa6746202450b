package queue

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	refused *prometheus.CounterVec
	values  *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	failed  *prometheus.CounterVec
	done    *prometheus.CounterVec
	commit  *prometheus.HistogramVec
	sealed  *prometheus.CounterVec
	damaged *prometheus.CounterVec
	salvage *prometheus.CounterVec
	lost    *prometheus.CounterVec
	groups  *prometheus.CounterVec
	saves   prometheus.Counter
}

type laneMetrics struct {
	values, bytes, failed, delivered, sealed, damaged, salvaged prometheus.Counter
	lostChecksum, lostUnreadable, lostGroups                    prometheus.Counter
	commit                                                      prometheus.Observer
}

func newMetrics(reg prometheus.Registerer) metrics {
	auto := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: "gosight_queue_" + name, Help: help}, labels)
	}
	return metrics{
		refused: counter("refused_values_total", "Values that were refused, by reason.", "lane", "reason"),
		values:  counter("committed_values_total", "Values made durable.", "lane"),
		bytes:   counter("committed_bytes_total", "Bytes of values made durable.", "lane"),
		failed:  counter("failed_values_total", "Values not acknowledged because a commit failed.", "lane"),
		done:    counter("delivered_values_total", "Values reported as delivered.", "lane"),
		sealed:  counter("sealed_segments_total", "Segments given up after a failed commit.", "lane"),
		damaged: counter("damaged_segments_total", "Segments quarantined.", "lane"),
		salvage: counter("salvaged_values_total", "Undelivered values found in quarantined segments.", "lane"),
		lost: counter("lost_values_total",
			"Acknowledged values that the disk did not give back, by reason.", "lane", "reason"),
		groups: counter("lost_groups_total",
			"Acknowledged group commits that the disk did not give back; their values may not be countable.", "lane"),
		saves: auto.NewCounter(prometheus.CounterOpts{
			Name: "gosight_queue_watermark_failures_total",
			Help: "Failed saves of delivery positions: a restart would deliver more than once.",
		}),
		commit: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gosight_queue_commit_seconds",
			Help:    "Time from the start of a group commit to its fsync.",
			Buckets: []float64{.00025, .0005, .001, .002, .003, .005, .01, .02, .05, .1, .25, .5, 1, 5},
		}, []string{"lane"}),
	}
}

func (m metrics) lane(name string) laneMetrics {
	return laneMetrics{
		values:         m.values.WithLabelValues(name),
		bytes:          m.bytes.WithLabelValues(name),
		failed:         m.failed.WithLabelValues(name),
		delivered:      m.done.WithLabelValues(name),
		sealed:         m.sealed.WithLabelValues(name),
		damaged:        m.damaged.WithLabelValues(name),
		salvaged:       m.salvage.WithLabelValues(name),
		lostChecksum:   m.lost.WithLabelValues(name, "checksum"),
		lostUnreadable: m.lost.WithLabelValues(name, "unreadable"),
		lostGroups:     m.groups.WithLabelValues(name),
		commit:         m.commit.WithLabelValues(name),
	}
}

// gauges reads the queue's present state when it is asked for.
func (q *Queue) gauges(reg prometheus.Registerer) {
	auto := promauto.With(reg)
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		auto.NewGaugeFunc(prometheus.GaugeOpts{Name: "gosight_queue_" + name, Help: help, ConstLabels: labels}, value)
	}
	gauge("disk_bytes", "Size of the queue's files.", nil, func() float64 { return float64(q.used.Load()) })
	gauge("disk_limit_bytes", "Bound on the queue's files.", nil, func() float64 { return float64(q.cfg.MaxBytes) })
	gauge("free_bytes", "Free space of the queue's file system.", nil, func() float64 { return float64(q.free.Load()) })
	for _, l := range q.lanes {
		labels := prometheus.Labels{"lane": l.name}
		depth := func() tally {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.depth
		}
		gauge("depth_bytes", "Undelivered bytes.", labels, func() float64 { return float64(depth().bytes) })
		gauge("depth_values", "Undelivered values.", labels, func() float64 { return float64(depth().values) })
		gauge("oldest_seconds", "Age of the oldest undelivered value.", labels, func() float64 {
			if oldest := l.oldest(); oldest > 0 {
				return time.Since(time.UnixMilli(oldest)).Seconds()
			}
			return 0
		})
	}
}
