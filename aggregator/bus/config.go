package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Config says where Kafka is, how the topics are made and how much is held in memory.
type Config struct {
	Brokers     []string `help:"Kafka brokers, host:port." default:"127.0.0.1:19092"`
	TopicPrefix string   `help:"Topics are PREFIX.events, PREFIX.replay and PREFIX.dlq." default:"gosight"`
	Group       string   `help:"Prefix of the consumer groups' names." default:"gosight"`

	TLS      bool   `help:"Talk TLS to the brokers."`
	CAFile   string `help:"PEM file of the authority that signed the brokers' certificates; empty means the system's."`
	CertFile string `help:"PEM certificate to show to the brokers; read anew for each connection."`
	KeyFile  string `help:"PEM key of that certificate."`
	SASL     string `help:"SASL mechanism: none, plain, scram-sha-256 or scram-sha-512." enum:"none,plain,scram-sha-256,scram-sha-512" default:"none"`
	User     string `help:"SASL user."`
	Password string `help:"SASL password."`

	// Used only where a topic is missing. More partitions let more aggregators share the work; the number cannot
	// be raised later without sessions changing their partition.
	Partitions     int32         `help:"Partitions of topics that have to be created." default:"12"`
	Replication    int16         `help:"Replicas of topics that have to be created; -1 means the broker's default." default:"-1"`
	Retention      time.Duration `help:"How long created topics keep records." default:"72h"`
	RetentionBytes int64         `help:"Bytes that each partition of a created topic keeps; -1 means no limit." default:"-1"`

	Compression string `help:"Compression of records: none, lz4, snappy or zstd." enum:"none,lz4,snappy,zstd" default:"lz4"`
	// An agent keeps what was not acknowledged, so giving up is safe; holding its call for ever is not.
	ProduceTimeout time.Duration `help:"How long to try to produce before the agent is told to try again." default:"20s"`
	BufferBytes    int           `help:"Bytes that may wait for the brokers before receiving blocks." default:"67108864"`

	// A batch is handled at BatchBytes, or after Linger; a stream that brings more than LightBytes within Linger
	// is handled every MaxLinger, since larger inserts cost ClickHouse less.
	BatchBytes int           `help:"Bytes of records that are handled in one go." default:"16777216"`
	LightBytes int           `help:"Above this many bytes within linger a stream is heavy." default:"262144"`
	Linger     time.Duration `help:"How long to gather records of a light stream." default:"200ms"`
	MaxLinger  time.Duration `help:"How often to handle what was gathered of a heavy stream." default:"1s"`
	// Nobody waits for replay as for a signal.
	ReplayMaxLinger time.Duration `help:"The same of replay." default:"2s"`
	// The group waits this long for a member that holds records before it throws it out. HandleTimeout stays
	// well below.
	RebalanceTimeout time.Duration `help:"How long a rebalance waits for a member." default:"60s"`
	HandleTimeout    time.Duration `help:"How long handling one batch may take, retries included." default:"40s"`
	SessionTimeout   time.Duration `help:"A member that is not heard of for so long is thought dead." default:"30s"`
	// The detector forgets nothing that matters within a minute, and decides within 15 s; see process.
	Rewind time.Duration `help:"How far before the committed position a new owner re-reads a partition." default:"90s"`
}

// Default is the configuration for a broker on this machine.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("kafka brokers: at least one host:port"))
	}
	if c.TopicPrefix == "" || c.Group == "" {
		errs = append(errs, errors.New("kafka topic-prefix and group: not empty"))
	}
	if c.Partitions < 1 {
		errs = append(errs, errors.New("kafka partitions: at least 1"))
	}
	if c.Linger <= 0 || c.MaxLinger < c.Linger {
		errs = append(errs, errors.New("kafka linger: above 0 and not above max-linger"))
	}
	if c.ReplayMaxLinger < c.Linger {
		errs = append(errs, errors.New("kafka replay-max-linger: not below linger"))
	}
	if c.HandleTimeout <= 0 || c.HandleTimeout+max(c.MaxLinger, c.ReplayMaxLinger) >= c.RebalanceTimeout {
		errs = append(errs, errors.New("kafka handle-timeout: together with max-linger and replay-max-linger below rebalance-timeout"))
	}
	if c.BatchBytes < maxRecordBytes || c.BufferBytes < maxRecordBytes {
		errs = append(errs, fmt.Errorf("kafka batch-bytes and buffer-bytes: at least one record, %d", maxRecordBytes))
	}
	if !c.TLS && (c.CAFile != "" || c.CertFile != "") {
		errs = append(errs, errors.New("kafka ca-file and cert-file: of no use without --kafka-tls"))
	}
	if c.SASL != "none" && (c.User == "" || c.Password == "") {
		errs = append(errs, fmt.Errorf("kafka sasl %s: needs --kafka-user and --kafka-password (or GOSIGHT_KAFKA_PASSWORD)", c.SASL))
	}
	if c.SASL == "none" && c.User != "" {
		errs = append(errs, errors.New("kafka user: of no use without --kafka-sasl"))
	}
	if c.SASL == "plain" && !c.TLS {
		errs = append(errs, errors.New("kafka sasl plain: sends the password in the clear without --kafka-tls; "+
			"set that, or use scram-sha-512"))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		errs = append(errs, errors.New("kafka cert-file and key-file: both or none"))
	}
	return errors.Join(errs...)
}

const (
	// Nothing behind ingest is larger than about 900 KiB; twice that is room for a later agent that cuts less.
	maxRecordBytes = 2 << 20
	// A dead letter is cut to pieces that any broker takes, whatever made the record undeliverable.
	deadLetterPiece = 512 << 10
)

// Topic is the topic of a lane.
func (c Config) Topic(lane gosight.Lane) string {
	if lane == gosight.Lane_LANE_REPLAY {
		return c.TopicPrefix + ".replay"
	}
	return c.TopicPrefix + ".events"
}

// DeadLetterTopic is where records go that cannot be delivered or understood.
func (c Config) DeadLetterTopic() string { return c.TopicPrefix + ".dlq" }

// GroupOf is the consumer group of a lane: apart, so that a flood of replay never holds up events.
func (c Config) GroupOf(lane gosight.Lane) string {
	if lane == gosight.Lane_LANE_REPLAY {
		return c.Group + ".replay"
	}
	return c.Group + ".events"
}

// client makes a franz-go client with the connection settings and opts.
func (c Config) client(opts ...kgo.Opt) (*kgo.Client, error) {
	common := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID("gosight-aggregator"),
		// A partition that moved is looked for at once, not after the library's five seconds: agents wait.
		kgo.MetadataMinAge(250 * time.Millisecond)}
	if c.TLS {
		config, err := c.tls()
		if err != nil {
			return nil, err
		}
		common = append(common, kgo.DialTLSConfig(config))
	}
	switch c.SASL {
	case "plain":
		common = append(common, kgo.SASL(plain.Auth{User: c.User, Pass: c.Password}.AsMechanism()))
	case "scram-sha-256":
		common = append(common, kgo.SASL(scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism()))
	case "scram-sha-512":
		common = append(common, kgo.SASL(scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism()))
	}
	client, err := kgo.NewClient(append(common, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("configure kafka client: %w", err)
	}
	return client, nil
}

func (c Config) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read kafka ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read kafka ca-file %s: no certificate in it", c.CAFile)
		}
	}
	if c.CertFile != "" {
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			return &pair, err
		}
		if _, err := load(nil); err != nil {
			return nil, fmt.Errorf("read kafka cert-file and key-file: %w", err)
		}
		// Read anew for each connection: certificates are renewed while we run.
		config.GetClientCertificate = load
	}
	return config, nil
}

func (c Config) compression() kgo.ProducerOpt {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(),
		"snappy": kgo.SnappyCompression(), "zstd": kgo.ZstdCompression(),
	}[c.Compression]
	return kgo.ProducerBatchCompression(codec)
}

// handOver is when records are to be handled of which the first came at first, if those before were handed over at
// before. A heavy stream's wait is counted from there: while they were handled, these have waited already.
func (c Config) handOver(first, before time.Time, size int) time.Time {
	light, heavy := first.Add(c.Linger), before.Add(c.MaxLinger)
	if size < c.LightBytes || heavy.Before(light) {
		return light
	}
	return heavy
}
