package relay

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/devcert"
)

// middlebox passes TCP and UDP on to an aggregator from one port number of its own, and drops UDP when told to,
// without a word, as firewalls do.
type middlebox struct {
	addr    string
	dropUDP atomic.Bool
	dropTCP atomic.Bool // connections stay, what is sent on them goes nowhere
}

func startMiddlebox(t *testing.T, to string) *middlebox {
	t.Helper()
	var tcp net.Listener
	var udp *net.UDPConn
	for try := 0; ; try++ {
		var err error
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		at := tcp.Addr().(*net.TCPAddr)
		if udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port}); err == nil {
			break
		}
		tcp.Close()
		if try == 10 {
			t.Fatal(err)
		}
	}
	m := &middlebox{addr: tcp.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		tcp.Close()
		udp.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			client, err := tcp.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			context.AfterFunc(ctx, func() { client.Close(); server.Close() })
			all.Go(func() { m.pass(client, server) })
			all.Go(func() { m.pass(server, client) })
		}
	})
	all.Go(func() { m.passUDP(ctx, &all, udp, to) })
	return m
}

func (m *middlebox) pass(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if m.dropTCP.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (m *middlebox) passUDP(ctx context.Context, all *sync.WaitGroup, udp *net.UDPConn, to string) {
	ways := map[string]net.Conn{}
	buf := make([]byte, 64<<10)
	for {
		n, client, err := udp.ReadFromUDP(buf)
		if err != nil {
			return
		}
		way := ways[client.String()]
		if way == nil {
			if way, err = net.Dial("udp", to); err != nil {
				return
			}
			ways[client.String()] = way
			context.AfterFunc(ctx, func() { way.Close() })
			all.Go(func() {
				back := make([]byte, 64<<10)
				for {
					n, err := way.Read(back)
					if ctx.Err() != nil {
						return
					}
					if err == nil && !m.dropUDP.Load() {
						udp.WriteToUDP(back[:n], client)
					}
				}
			})
		}
		if !m.dropUDP.Load() {
			way.Write(buf[:n])
		}
	}
}

func TestUDPBlockedFromTheStart(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	box := startMiddlebox(t, server.Addr())
	box.dropUDP.Store(true)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, box.addr), q)
	putBatches(t, q, 0, 1)
	took := eventually(t, 10*time.Second, "the queue is empty", empty(q))
	t.Logf("first batch over HTTP/2 after %s", took)
	if took > time.Second {
		t.Errorf("HTTP/2 only after %s", took)
	}
	putBatches(t, q, 1, 2)
	if took := eventually(t, 10*time.Second, "the queue is empty", empty(q)); took > 200*time.Millisecond {
		t.Errorf("second batch took %s: it waited for UDP again", took)
	}
	if n := value(t, metrics, "gosight_forward_requests_total", "http3"); n != 0 {
		t.Errorf("%v requests over HTTP/3", n)
	}
}

func TestUDPBlockedLaterAndBack(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	box := startMiddlebox(t, server.Addr())
	q := openQueue(t)
	cfg := forwardConfig(certs, box.addr)
	cfg.QUICRetry = 4 * time.Second // not over yet when UDP is open again: nobody is dialing by then
	_, metrics, _ := startForwarder(t, cfg, q)
	http3 := func() float64 { return value(t, metrics, "gosight_forward_requests_total", "http3") }
	putBatches(t, q, 0, 1)
	eventually(t, 10*time.Second, "a batch over HTTP/3", func() bool { return http3() > 0 && empty(q)() })

	box.dropUDP.Store(true)
	putBatches(t, q, 1, 2)
	took := eventually(t, 10*time.Second, "the queue is empty", empty(q))
	t.Logf("UDP blocked while in use: over HTTP/2 after %s", took)
	if took > 2500*time.Millisecond {
		t.Errorf("HTTP/2 only after %s", took)
	}

	box.dropUDP.Store(false)
	// Without a frame: an aggregator that is chosen seldom finds its way back too.
	took = eventually(t, 20*time.Second, "HTTP/3 again", func() bool { return value(t, metrics, "gosight_forward_http3") == 1 })
	t.Logf("UDP open again: HTTP/3 after %s", took)
	before := http3()
	putBatches(t, q, 2, 3)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if http3() == before {
		t.Error("the next frame went over HTTP/2")
	}
	if kafka.count() != 3 {
		t.Errorf("%d of 3 batches arrived", kafka.count())
	}
}

func TestClientCertificates(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	agents := makeCertificates(t) // another CA
	cfg := receiveConfig(certs)
	cfg.Tokens = nil
	cfg.ClientCAFile = agents.ca
	server := startAggregator(t, cfg, kafka)
	for name, test := range map[string]struct {
		shows certificates
		taken bool
	}{"of the CA": {agents, true}, "of another CA": {certs, false}, "none": {certificates{}, false}} {
		for _, quic := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				q := openQueue(t)
				cfg := forwardConfig(certs, server.Addr())
				cfg.Token, cfg.QUIC, cfg.FlushTimeout = "", quic, 0
				cfg.CertFile, cfg.KeyFile = test.shows.cert, test.shows.key
				_, metrics, _ := startForwarder(t, cfg, q)
				before := kafka.count()
				putBatches(t, q, before, before+1)
				if test.taken {
					eventually(t, 10*time.Second, "the queue is empty", empty(q))
					return
				}
				refused := func() float64 { return value(t, server.reg, "gosight_receive_refused_total") }
				counted := refused()
				eventually(t, 10*time.Second, "a failed attempt that is counted", func() bool {
					return value(t, metrics, "gosight_forward_retries_total") > 0 && refused() > counted
				})
				if kafka.count() != before {
					t.Error("stored without a certificate")
				}
			})
		}
	}
}

func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	ensure := func(host string) certificates {
		cert, key, ca, err := devcert.Ensure(dir, "127.0.0.1", host)
		if err != nil {
			t.Fatal(err)
		}
		return certificates{cert, key, ca}
	}
	certs, kafka := ensure("localhost"), newBroker()
	cfg := receiveConfig(certs)
	cfg.ReloadInterval = 10 * time.Millisecond
	server := startAggregator(t, cfg, kafka)
	before, err := os.ReadFile(certs.cert)
	if err != nil {
		t.Fatal(err)
	}
	ensure("renamed.example")
	after, err := os.ReadFile(certs.cert)
	if err != nil || string(before) == string(after) {
		t.Fatalf("certificate was not renewed: %v", err)
	}
	for _, quic := range []bool{true, false} {
		q := openQueue(t)
		forward := forwardConfig(certs, server.Addr())
		forward.ServerName, forward.QUIC = "renamed.example", quic
		startForwarder(t, forward, q)
		putBatches(t, q, 0, 1)
		eventually(t, 10*time.Second, "the new certificate is shown", empty(q))
	}
}

func TestTokenFileIsRotated(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := receiveConfig(certs)
	cfg.Tokens, cfg.ReloadInterval = nil, 10*time.Millisecond
	cfg.TokensFile = write("tokens", "# of this test\nagent-1 first\n")
	server := startAggregator(t, cfg, kafka)
	forward := forwardConfig(certs, server.Addr())
	forward.Token, forward.TokenFile = "", write("token", "first\n")
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forward, q)
	putBatches(t, q, 0, 1)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	write("tokens", "agent-1 second-and-longer\n")
	n := 1
	eventually(t, 10*time.Second, "the old token is refused", func() bool {
		putBatches(t, q, n, n+1)
		n++
		return value(t, metrics, "gosight_forward_retries_total", "unauthenticated") > 0
	})
	write("token", "second-and-longer")
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != n {
		t.Errorf("%d of %d batches arrived", kafka.count(), n)
	}
}

// An aggregator that is cut off without a word is left for another long before a frame's timeout.
func TestAggregatorVanishes(t *testing.T) {
	for _, quic := range []bool{true, false} {
		t.Run(fmt.Sprintf("http3=%v", quic), func(t *testing.T) {
			certs, kafka := makeCertificates(t), newBroker()
			one, two := startAggregator(t, receiveConfig(certs), kafka), startAggregator(t, receiveConfig(certs), kafka)
			box := startMiddlebox(t, one.Addr())
			q := openQueue(t)
			cfg := forwardConfig(certs, box.addr, two.Addr())
			cfg.QUIC, cfg.Timeout = quic, time.Minute
			_, metrics, _ := startForwarder(t, cfg, q)
			n := 0
			eventually(t, 10*time.Second, "both aggregators get frames", func() bool {
				putBatches(t, q, n, n+1)
				n++
				return value(t, metrics, "gosight_forward_frames_total", box.addr) > 0 &&
					value(t, metrics, "gosight_forward_frames_total", two.Addr()) > 0
			})
			box.dropUDP.Store(true)
			box.dropTCP.Store(true)
			began := time.Now()
			eventually(t, 20*time.Second, "a frame fails", func() bool {
				putBatches(t, q, n, n+1)
				n++
				return value(t, metrics, "gosight_forward_retries_total") > 0
			})
			eventually(t, 20*time.Second, "the queue is empty", empty(q))
			took := time.Since(began)
			t.Logf("all on the other aggregator after %s", took.Round(time.Millisecond))
			if took > 10*time.Second {
				t.Errorf("only after %s", took)
			}
			if kafka.count() != n {
				t.Errorf("%d of %d batches arrived", kafka.count(), n)
			}
		})
	}
}
