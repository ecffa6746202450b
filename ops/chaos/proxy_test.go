package chaos

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands before a port, for TCP and UDP, and can do to its traffic what networks do.
type proxy struct {
	addr, to string
	tcp      net.Listener
	udp      *net.UDPConn

	dropUDP atomic.Bool
	mu      sync.Mutex
	conns   map[net.Conn]bool
	flows   chan struct{} // closed while bytes pass
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{to: to, conns: map[net.Conn]bool{}, flows: make(chan struct{})}
	close(p.flows)
	for try := 0; p.udp == nil; try++ {
		var err error
		if p.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		at := p.tcp.Addr().(*net.TCPAddr)
		if p.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port}); err != nil {
			p.tcp.Close()
			if try == 10 {
				t.Fatal(err)
			}
		}
	}
	p.addr = p.tcp.Addr().String()
	go p.serveTCP()
	go p.serveUDP()
	t.Cleanup(func() {
		p.tcp.Close()
		p.udp.Close()
		p.pass()
		p.reset()
	})
	return p
}

func (p *proxy) serveTCP() {
	for {
		client, err := p.tcp.Accept()
		if err != nil {
			return
		}
		go func() {
			server, err := net.Dial("tcp", p.to)
			if err != nil {
				client.(*net.TCPConn).SetLinger(0)
				client.Close()
				return
			}
			p.mu.Lock()
			p.conns[client], p.conns[server] = true, true
			p.mu.Unlock()
			go p.copy(server, client)
			p.copy(client, server)
		}()
	}
}

// copy passes bytes on until one side ends, which ends both.
func (p *proxy) copy(to, from net.Conn) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
		to.Close()
		from.Close()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		<-p.gate()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) serveUDP() {
	ways := map[string]*net.UDPConn{} // by client
	defer func() {
		for _, way := range ways {
			way.Close()
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, client, err := p.udp.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if p.dropsUDP() {
			continue
		}
		way := ways[client.String()]
		if way == nil {
			conn, err := net.Dial("udp", p.to)
			if err != nil {
				continue
			}
			way = conn.(*net.UDPConn)
			ways[client.String()] = way
			go p.answerUDP(way, client)
		}
		way.Write(buf[:n]) // what is lost is lost: it is UDP
	}
}

func (p *proxy) answerUDP(way *net.UDPConn, client *net.UDPAddr) {
	buf := make([]byte, 64<<10)
	for {
		n, err := way.Read(buf)
		if isClosed(err) {
			return
		}
		if err == nil && !p.dropsUDP() {
			p.udp.WriteToUDP(buf[:n], client)
		}
	}
}

func isClosed(err error) bool {
	op, ok := err.(*net.OpError)
	return err == io.EOF || ok && op.Err == net.ErrClosed || ok && op.Unwrap() == net.ErrClosed
}

func (p *proxy) gate() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flows
}

func (p *proxy) dropsUDP() bool {
	select {
	case <-p.gate():
		return p.dropUDP.Load()
	default:
		return true
	}
}

// stall lets nothing through, and says so to nobody.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
		p.flows = make(chan struct{})
	default:
	}
}

// pass ends a stall.
func (p *proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
	default:
		close(p.flows)
	}
}

// reset breaks off every TCP connection that is open now.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}
