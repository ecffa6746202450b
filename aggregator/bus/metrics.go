package bus

import "github.com/prometheus/client_golang/prometheus"

type producerMetrics struct {
	produced, failed, deadLettered *prometheus.CounterVec
	halved                         prometheus.Counter
}

func newProducerMetrics(reg prometheus.Registerer) *producerMetrics {
	m := &producerMetrics{
		produced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_bus_produced_records_total", Help: "Batches that all replicas have.",
		}, []string{"lane"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_bus_produce_errors_total",
			Help: "Batches that could not be written, by reason; the agent keeps them and sends them again.",
		}, []string{"reason"}),
		deadLettered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_bus_produce_dead_letters_total",
			Help: "Batches that Kafka refused for good, by reason; they are in the dead-letter topic.",
		}, []string{"reason"}),
	}
	m.halved = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gosight_bus_halved_records_total",
		Help: "Times that a batch larger than the topic's max.message.bytes was written as two.",
	})
	reg.MustRegister(m.produced, m.failed, m.deadLettered, m.halved)
	return m
}

type consumerMetrics struct {
	consumed, reread, skipped prometheus.Counter
	deadLettered, restarts    *prometheus.CounterVec
	lag                       *prometheus.GaugeVec
	partitions                prometheus.Gauge
}

func newConsumerMetrics(reg prometheus.Registerer) *consumerMetrics {
	m := &consumerMetrics{
		consumed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gosight_bus_consumed_records_total", Help: "Batches that were handled and committed.",
		}),
		reread: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gosight_bus_reread_records_total",
			Help: "Batches before the committed position, read again to fill the detector's memory.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gosight_bus_expired_records_total",
			Help: "Records that Kafka's retention deleted before they were read: lost.",
		}),
		deadLettered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_bus_dead_letters_total",
			Help: "Batches that could not be understood, by reason; they are in the dead-letter topic.",
		}, []string{"reason"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_bus_consumer_restarts_total",
			Help: "Times that the consumer left the group and began anew at the committed position, by reason.",
		}, []string{"reason"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gosight_bus_lag_records", Help: "Records in Kafka that this member has still to read.",
		}, []string{"partition"}),
		partitions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gosight_bus_assigned_partitions", Help: "Partitions that this member reads.",
		}),
	}
	reg.MustRegister(m.consumed, m.reread, m.skipped, m.deadLettered, m.restarts, m.lag, m.partitions)
	return m
}
