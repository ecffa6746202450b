package bus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/bus/bustest"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const events = gosight.Lane_LANE_EVENTS

// broker is kfake: the real protocol, in this process.
func broker(t *testing.T) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// The same suite runs on Apache Kafka: see ops/kafka.
func TestContract(t *testing.T) { bustest.Contract(t, broker(t).ListenAddrs()) }

func TestSettingsThatCannotWorkAreSaidAtOnce(t *testing.T) {
	for says, set := range map[string]func(*bus.Config){
		"--kafka-password":       func(c *bus.Config) { c.SASL, c.User = "scram-sha-512", "gosight" },
		"--kafka-sasl":           func(c *bus.Config) { c.User = "gosight" },
		"in the clear":           func(c *bus.Config) { c.SASL, c.User, c.Password = "plain", "gosight", "secret" },
		"without --kafka-tls":    func(c *bus.Config) { c.CAFile = "ca.pem" },
		"cert-file and key-file": func(c *bus.Config) { c.TLS, c.CertFile = true, "client.pem" },
	} {
		cfg := bus.Default()
		set(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error with %q", err, says)
		}
	}
}

func hasty(t *testing.T, cluster *kfake.Cluster) bus.Config {
	cfg := bustest.Config(t, cluster.ListenAddrs())
	cfg.ProduceTimeout = 2 * time.Second
	return cfg
}

func TestPassingBrokerErrorIsRetried(t *testing.T) {
	cluster := broker(t)
	p := bustest.Producer(t, hasty(t, cluster))
	refuse(cluster, 2, kerr.NotEnoughReplicas.Code)
	bustest.Produce(t, p, bustest.Batches(events, 0, 10))
}

func TestOutageIsAnErrorAndNoDeadLetter(t *testing.T) {
	cluster := broker(t)
	cfg := hasty(t, cluster)
	p := bustest.Producer(t, cfg)
	refuse(cluster, -1, kerr.NotEnoughReplicas.Code)
	start := time.Now()
	dead, err := p.Produce(t.Context(), bustest.Batches(events, 0, 10))
	if err == nil || dead != 0 {
		t.Fatalf("got %d dead letters and %v, want an error", dead, err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s to give up, the limit is %s", took, cfg.ProduceTimeout)
	}
}

// refuse makes the broker answer produce requests with an error code: the first times, or always where times is
// negative.
func refuse(cluster *kfake.Cluster, times int, code int16) {
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		produce := request.(*kmsg.ProduceRequest)
		if times == 0 {
			return nil, nil, false
		}
		times--
		response := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = partition.Partition, code
				answer.Partitions = append(answer.Partitions, refused)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
}
