package fleet

import (
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	members *prometheus.GaugeVec
	refused *prometheus.CounterVec

	reloadFailed prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		members: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "gosight_fleet_members", Help: "Live members of the fleet as this node sees it, itself among them.",
		}, []string{"role"}),
		refused: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_fleet_refused_total", Help: "Gossip refused, by reason; nothing of it is believed.",
		}, []string{"reason"}),
		reloadFailed: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "gosight_fleet_reload_failures_total", Help: "Changed key files that could not be loaded.",
		}),
	}
	for _, refusal := range refusals {
		m.refused.WithLabelValues(refusal.reason)
	}
	return m
}

// refusals are the library's only word about gossip that it drops: lines of its log.
var refusals = []struct{ phrase, reason string }{
	{"unacceptable label", "label"},
	{"label header", "label"},
	{"could decrypt", "key"},
	{"Decrypt packet failed", "key"},
	{"encryption is configured but", "key"},
	{"encryption is not configured", "key"},
	{"is not allowed", "network"},
	{"Conflicting address", "name_taken"},
	{badMeta, "metadata"},
	{"pending push/pull", "busy"},
}

// badMeta begins the error by which we refuse a node.
const badMeta = "bad metadata"

// gossipLog counts refusals, and passes the library's lines on to our log, a level lower: one lost probe is no
// error of ours.
type gossipLog struct {
	refused *prometheus.CounterVec
	log     *slog.Logger
}

func (g gossipLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	for _, refusal := range refusals {
		if strings.Contains(text, refusal.phrase) {
			g.refused.WithLabelValues(refusal.reason).Inc()
			g.log.Warn("fleet: gossip refused", "reason", refusal.reason, "detail", text)
			return len(line), nil
		}
	}
	g.log.Debug("fleet: gossip", "detail", text)
	return len(line), nil
}
