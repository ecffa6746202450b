package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// way is how packets get from one place to another; there is one for each direction.
type way struct {
	delay   time.Duration
	loss    float64 // share of packets
	reorder float64 // share of packets that come late, behind later ones
	cut     bool    // nothing passes
	noUDP   bool    // as firewalls do it: dropped, without a word
}

// network carries packets among places.
type network struct {
	t      *testing.T
	places map[[4]byte]*place

	mu   sync.Mutex
	ways map[[2]*place]way
}

// place is a network namespace with one address.
type place struct {
	name string
	addr [4]byte
	ns   int
	tun  *os.File
	do   chan func() // run by a thread that lives in the namespace
}

func (p *place) String() string { return net.IP(p.addr[:]).String() }

func (p *place) at(port int) string { return net.JoinHostPort(p.String(), fmt.Sprint(port)) }

const (
	tunName = "wan0"
	mtu     = 1400
	// Packets under way in one direction; what comes on top is dropped, as routers do.
	roadPackets = 2000
)

// newNetwork makes a namespace for each name. It skips the test where that is not allowed.
func newNetwork(t *testing.T, names ...string) (*network, map[string]*place) {
	t.Helper()
	n := &network{t: t, places: map[[4]byte]*place{}, ways: map[[2]*place]way{}}
	places := map[string]*place{}
	for i, name := range names {
		p, err := newPlace(name, [4]byte{10, 77, 0, byte(i + 1)})
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOENT) {
			t.Skipf("*** NO NETWORK NAMESPACES, THE FLEET IS NOT TESTED: %v (run as root, with /dev/net/tun) ***", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			p.tun.Close()
			close(p.do)
			unix.Close(p.ns)
		})
		places[name], n.places[p.addr] = p, p
	}
	for _, p := range places {
		go n.carry(p)
	}
	return n, places
}

func newPlace(name string, addr [4]byte) (*place, error) {
	p := &place{name: name, addr: addr, do: make(chan func())}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread, and what it stands in, ends with the goroutine.
		runtime.LockOSThread()
		made <- p.make()
		for do := range p.do {
			do()
		}
	}()
	return p, <-made
}

func (p *place) make() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	var err error
	if p.ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open the namespace: %w", err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	ifreq, err := unix.NewIfreq(tunName)
	if err != nil {
		return err
	}
	ifreq.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifreq); err != nil {
		return fmt.Errorf("make a TUN device: %w", err)
	}
	p.tun = os.NewFile(uintptr(fd), tunName)
	return p.configure()
}

// configure gives the device its address, in a network that all places are in, and brings it and loopback up.
func (p *place) configure() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("configure the network: %w", err)
	}
	defer unix.Close(socket)
	set := func(device string, request uint, fill func(*unix.Ifreq) error) {
		ifreq, newErr := unix.NewIfreq(device)
		if err = errors.Join(err, newErr); err != nil {
			return
		}
		if err = fill(ifreq); err == nil {
			err = unix.IoctlIfreq(socket, request, ifreq)
		}
	}
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	set("lo", unix.SIOCSIFFLAGS, up)
	set(tunName, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(p.addr[:]) })
	set(tunName, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 0, 0}) })
	set(tunName, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil })
	set(tunName, unix.SIOCSIFFLAGS, up)
	if err != nil {
		return fmt.Errorf("configure the network: %w", err)
	}
	return nil
}

// within runs fn on a thread in the namespace: what it opens belongs there.
func (p *place) within(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setns(p.ns, unix.CLONE_NEWNET); err != nil {
			panic(err)
		}
		fn()
	}()
	<-done
}

func (p *place) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	p.within(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, err
}

// wormhole makes a port on a place's loopback one of another's, whatever the network between them is like.
func (n *network) wormhole(from, to *place, port int) {
	n.t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	var listener net.Listener
	var err error
	from.within(func() { listener, err = net.Listen("tcp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				far, err := to.dial(context.Background(), "tcp", address)
				if err != nil {
					return
				}
				defer far.Close()
				go func() {
					io.Copy(far, conn)
					far.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(conn, far)
			}()
		}
	}()
}

// both changes the ways between two places in both directions.
func (n *network) both(a, b *place, change func(*way)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, pair := range [][2]*place{{a, b}, {b, a}} {
		w := n.ways[pair]
		change(&w)
		n.ways[pair] = w
	}
}

// around changes the ways between a place and all others.
func (n *network) around(p *place, change func(*way)) {
	for _, other := range n.places {
		if other != p {
			n.both(p, other, change)
		}
	}
}

type packet struct {
	bytes []byte
	due   time.Time
}

// carry takes packets out of a place until its device closes. Packets of one direction keep their order, but for
// those that are to come late.
func (n *network) carry(from *place) {
	roads := map[*place]chan packet{}
	defer func() {
		for _, road := range roads {
			close(road)
		}
	}()
	dice := rand.New(rand.NewPCG(uint64(from.addr[3]), 7))
	buffer := make([]byte, 64<<10)
	for {
		size, err := from.tun.Read(buffer)
		if err != nil {
			return
		}
		if size < 20 || buffer[0]>>4 != 4 {
			continue // IPv6 looks for neighbours
		}
		to := n.places[[4]byte(buffer[16:20])]
		if to == nil {
			continue
		}
		n.mu.Lock()
		w := n.ways[[2]*place{from, to}]
		n.mu.Unlock()
		if w.cut || w.noUDP && buffer[9] == unix.IPPROTO_UDP || dice.Float64() < w.loss {
			continue
		}
		p := packet{append([]byte(nil), buffer[:size]...), time.Now().Add(w.delay)}
		if dice.Float64() < w.reorder {
			time.AfterFunc(w.delay+time.Duration(dice.Int64N(int64(10*time.Millisecond))), func() { to.tun.Write(p.bytes) })
			continue
		}
		road := roads[to]
		if road == nil {
			road = make(chan packet, roadPackets)
			roads[to] = road
			go func() {
				for p := range road {
					time.Sleep(time.Until(p.due))
					to.tun.Write(p.bytes)
				}
			}()
		}
		select {
		case road <- p:
		default:
		}
	}
}
