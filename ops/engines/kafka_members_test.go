package engines_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gosight/gosight/ops/engines"
)

// mortal is a client whose connections are cut, for ever, when it waits to be told its place in the group.
type mortal struct {
	mu    sync.Mutex
	joins int
	conns []net.Conn
	dead  chan struct{}
}

func (m *mortal) dial(ctx context.Context, network, host string) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.dead:
		return nil, errors.New("dead")
	default:
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, host)
	if err == nil {
		m.conns = append(m.conns, conn)
	}
	return conn, err
}

// OnBrokerWrite implements kgo.HookBrokerWrite. The first request to join is answered with a name, the second when all
// others have joined too.
func (m *mortal) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key != int16(kmsg.JoinGroup) || err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.joins++; m.joins != 2 {
		return
	}
	for _, conn := range m.conns {
		conn.Close()
	}
	close(m.dead)
}

// A member that dies while it waits for the others gets its share all the same, and must lose it again. (Every second
// time the broker sees that it is gone before it sees its request, and there is nothing to lose.)
func TestKafkaLetsDeadMembersLeave(t *testing.T) {
	kafka := startKafka(t, engines.KafkaConfig{DataDir: t.TempDir()})
	defer kafka.Stop()
	createTopic(t, kafkaClient(t, kafka.Addr()), 8, "t")
	group := []kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.SessionTimeout(6 * time.Second),
		kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(200 * time.Millisecond), kgo.RebalanceTimeout(2 * time.Second)}
	survivor := kafkaClient(t, kafka.Addr(), group...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := map[string]bool{}
	read := func(until func() bool) {
		t.Helper()
		for !until() {
			poll, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			survivor.PollFetches(poll).EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true })
			stop()
			if ctx.Err() != nil {
				t.Fatalf("the survivor has read %d records after a minute", len(seen))
			}
		}
	}
	producer := kafkaClient(t, kafka.Addr(), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	produce := func(round string) {
		t.Helper()
		for partition := range int32(8) {
			record := &kgo.Record{Partition: partition, Value: fmt.Appendf(nil, "%s %d", round, partition)}
			if err := producer.ProduceSync(ctx, record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	produce("before")
	read(func() bool { return len(seen) == 8 })

	victim := &mortal{dead: make(chan struct{})}
	kafkaClient(t, kafka.Addr(), append(group, kgo.Dialer(victim.dial), kgo.WithHooks(victim))...)
	read(func() bool {
		select {
		case <-victim.dead:
			return true
		default:
			return false
		}
	})
	produce("after")
	read(func() bool { return len(seen) == 16 })
}
