// Package apachekafka runs Apache Kafka itself on loopback, for tests: several brokers in KRaft mode, each a JVM of
// its own that is broker and controller, from the jars that `make test-kafka` fetches with Maven. What production
// does and the embedded broker (package engines) cannot show is tried on it: a lost broker, another leader, too few
// replicas in sync, passwords and certificates.
package apachekafka

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/gosight/gosight/internal/devcert"
)

// Jars is the variable that names the folder with Kafka's jars.
const Jars = "GOSIGHT_KAFKA_JARS"

// The user that brokers know by PLAIN. Others, by SCRAM, are made with the protocol's own request.
const (
	User     = "gosight"
	Password = "correct horse"
)

// Layout is a cluster on disk that has not been started.
type Layout struct {
	Dir     string
	Brokers []Broker
	// The authority of the brokers' certificates, and a certificate of it that they accept from a client.
	CAFile, CertFile, KeyFile string
}

// Broker is a node: what starts it, and where it listens. SASL asks for a user over TLS (PLAIN, SCRAM-SHA-256,
// SCRAM-SHA-512), TLS for a client's certificate, Plain for nothing.
type Broker struct {
	Name             string
	Command          []string
	Plain, SASL, TLS string
}

// Plain is where all brokers let anybody in.
func (l *Layout) Plain() []string { return l.addrs(func(b Broker) string { return b.Plain }) }

// SASL is where all brokers want a user and a password.
func (l *Layout) SASL() []string { return l.addrs(func(b Broker) string { return b.SASL }) }

// TLS is where all brokers want a client's certificate.
func (l *Layout) TLS() []string { return l.addrs(func(b Broker) string { return b.TLS }) }

func (l *Layout) addrs(of func(Broker) string) []string {
	var addrs []string
	for _, b := range l.Brokers {
		addrs = append(addrs, of(b))
	}
	return addrs
}

// Missing says why Apache Kafka cannot run here, and what to do; nil where it can.
func Missing() error {
	if os.Getenv(Jars) == "" {
		return fmt.Errorf("%s is not set: run `make test-kafka`, which fetches Apache Kafka", Jars)
	}
	if _, err := exec.LookPath("java"); err != nil {
		return errors.New("no java: Apache Kafka 4 needs Java 17 or newer")
	}
	return nil
}

// Settings that are the same for each broker. A test's brokers share two cores with all the rest: few partitions
// of Kafka's own, and a dead broker is found in 3 s instead of 9.
const settings = `
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SASL:SASL_SSL,TLS:SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[1]s="%[2]s";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.truststore.type=PEM
auto.create.topics.enable=false
default.replication.factor=%[3]d
min.insync.replicas=%[4]d
offsets.topic.replication.factor=%[3]d
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
controller.quorum.fetch.timeout.ms=1500
controller.quorum.election.timeout.ms=500
replica.lag.time.max.ms=5000
controlled.shutdown.enable=true
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
`

// Prepare makes a cluster of n brokers in dir: certificates, settings, formatted log folders.
func Prepare(ctx context.Context, dir string, n int) (*Layout, error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	l := &Layout{Dir: dir}
	var err error
	if l.CertFile, l.KeyFile, l.CAFile, err = devcert.Ensure(filepath.Join(dir, "tls"), "127.0.0.1", "localhost"); err != nil {
		return nil, err
	}
	keystore := filepath.Join(dir, "tls", "broker.pem")
	if err := writeKeystore(keystore, l.CertFile, l.KeyFile); err != nil {
		return nil, err
	}
	addrs, err := freeAddrs(4 * n)
	if err != nil {
		return nil, err
	}
	var voters []string
	for i := range n {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, addrs[4*i]))
	}
	java := []string{"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", // a short life: don't optimize it
		"-Dorg.apache.logging.log4j.level=WARN", "-cp", filepath.Join(os.Getenv(Jars), "*")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the brokers' folder: %w", err)
	}
	format, ctx := errgroup.WithContext(ctx)
	for i := range n {
		at := addrs[4*i:]
		logs, file := filepath.Join(dir, fmt.Sprintf("broker%d", i+1)), filepath.Join(dir, fmt.Sprintf("broker%d.properties", i+1))
		text := fmt.Sprintf(settings, User, Password, n, max(1, n-1)) + fmt.Sprintf(`
node.id=%d
controller.quorum.voters=%s
listeners=CONTROLLER://%s,PLAIN://%s,SASL://%s,TLS://%s
log.dirs=%s
ssl.keystore.location=%s
ssl.truststore.location=%s
`, i+1, strings.Join(voters, ","), at[0], at[1], at[2], at[3], logs, keystore, l.CAFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write settings of broker %d: %w", i+1, err)
		}
		with := func(args ...string) []string { return append(java[:len(java):len(java)], args...) }
		l.Brokers = append(l.Brokers, Broker{Name: fmt.Sprintf("broker%d", i+1), Plain: at[1], SASL: at[2], TLS: at[3], Command: with("kafka.Kafka", file)})
		format.Go(func() error {
			const cluster = "Z29zaWdodC10ZXN0LWtma2"
			command := with("kafka.tools.StorageTool", "format", "-t", cluster, "-c", file)
			if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("format the log folder of broker %d: %w\n%s", i+1, err, out)
			}
			return nil
		})
	}
	return l, format.Wait()
}

// InSync says why not every broker is in the cluster, or which replicas are behind: until it returns nil, no broker
// may go without a loss of more than its own.
func (l *Layout) InSync(ctx context.Context) error {
	for _, addr := range l.Plain() { // a broker is known to the others before it takes connections
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return fmt.Errorf("connect to a broker: %w", err)
		}
		conn.Close()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(l.Plain()...))
	if err != nil {
		return fmt.Errorf("connect to brokers: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cluster, err := kadm.NewClient(client).Metadata(ctx)
	if err != nil {
		return fmt.Errorf("ask the cluster: %w", err)
	}
	if len(cluster.Brokers) < len(l.Brokers) {
		return fmt.Errorf("%d of %d brokers are in the cluster", len(cluster.Brokers), len(l.Brokers))
	}
	for _, topic := range cluster.Topics {
		for _, partition := range topic.Partitions {
			if len(partition.ISR) < len(partition.Replicas) {
				return fmt.Errorf("%s/%d has %d of %d replicas in sync", topic.Topic, partition.Partition,
					len(partition.ISR), len(partition.Replicas))
			}
		}
	}
	return nil
}

// writeKeystore writes key and certificate into one PEM file; Java reads keys in PKCS #8 only.
func writeKeystore(path, certFile, keyFile string) error {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return fmt.Errorf("read the brokers' certificate: %w", err)
	}
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("read the brokers' key: %w", err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("read the brokers' key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the brokers' key: %w", err)
	}
	text = append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), cert...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write the brokers' key: %w", err)
	}
	return nil
}

// freeAddrs finds ports that nobody has. They are below the range from which outgoing connections are numbered, or
// one may take a port before its broker does.
func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for port := 20000 + os.Getpid()*31%11000; len(addrs) < n; port++ {
		if port > 32000 {
			return nil, errors.New("no free ports between 20000 and 32000")
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if listener, err := net.Listen("tcp", addr); err == nil {
			listener.Close()
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}
