package chaos

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gosight/gosight/proto/gen/gosight"
)

var (
	idle    = flag.Int("idle", 10_000, "idle connections in TestFloods")
	hostile = flag.String("hostile", "", "attack as the order in this directory says: a process of TestFloods")
)

// attack says to hostile clients what is where, and for how long.
type attack struct {
	GRPC, HTTP, Relay string
	Idle              int
	Lasts             time.Duration
}

// hostiles are clients of every bad kind in a process of their own, of the lowest priority: they share this machine's
// cores with those that they attack, and what they compute themselves is not to be held against these.
type hostiles struct {
	t   *testing.T
	dir string
}

// Each is a file in dir: the attack, that every idle connection stands and floods begin, and what was done when
// they have ended. The process ends, and lets its connections go, when its standard input does.
const (
	orderFile = "order.json"
	beganFile = "began"
	turnsFile = "turns.json"
)

func (a attack) begin(t *testing.T) *hostiles {
	h := &hostiles{t, t.TempDir()}
	order, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, orderFile), order, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := os.Create(filepath.Join(h.dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nice", "-n", "19", os.Args[0], "-test.run=^TestHostileClients$", "-test.v", "-hostile="+h.dir)
	cmd.Stdout, cmd.Stderr = output, output
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("hostile clients: %v\n%s", err, tail(output.Name(), 20))
		}
		output.Close()
	})
	h.await(beganFile)
	return h
}

func (h *hostiles) await(file string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, file)
	eventually(h.t, "hostile clients write "+file, func() bool { _, err := os.Stat(path); return err == nil })
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// turns are how often each kind of client did what it does; all of them did.
func (h *hostiles) turns() map[string]int64 {
	h.t.Helper()
	var turns map[string]int64
	if err := json.Unmarshal([]byte(h.await(turnsFile)), &turns); err != nil {
		h.t.Fatal(err)
	}
	for kind, n := range turns {
		if n == 0 {
			h.t.Errorf("nothing was done of this: %s", kind)
		}
	}
	return turns
}

// TestHostileClients is the process of hostiles.
func TestHostileClients(t *testing.T) {
	if *hostile == "" {
		t.Skip("is a part of TestFloods")
	}
	text, err := os.ReadFile(filepath.Join(*hostile, orderFile))
	if err != nil {
		t.Fatal(err)
	}
	var a attack
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	say := func(file string, text []byte) { // whole or not at all
		path := filepath.Join(*hostile, file)
		if err := os.WriteFile(path+".part", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".part", path); err != nil {
			t.Fatal(err)
		}
	}
	// Made before anything is measured: it takes time.
	gzipped, large := gzipBomb(t), make([]byte, 30<<20)
	packed, fitting := relayBody(lz4Bomb(t, 200<<20)), relayBody(lz4Bomb(t, 4<<20))
	idlers := openIdle(t, a.Idle, a.GRPC, a.HTTP, a.Relay)
	say(beganFile, nil)

	ctx, cancel := context.WithTimeout(t.Context(), a.Lasts)
	defer cancel()
	var floods sync.WaitGroup
	turns := map[string]*atomic.Int64{}
	flood := func(kind string, n int, one func(context.Context) error) {
		done := new(atomic.Int64)
		turns[kind] = done
		for range n {
			floods.Go(func() {
				for ctx.Err() == nil {
					if one(ctx) == nil {
						done.Add(1)
					}
					// They share two cores with those that they attack.
					rest(ctx, 250*time.Millisecond)
				}
			})
		}
	}
	batches, frames := "http://"+a.HTTP+"/gosight.Ingestor/SendBatch", "https://"+a.Relay+"/gosight.Relay/Forward"
	flood("half-open requests", 20, func(ctx context.Context) error { return halfOpen(ctx, a.HTTP) })
	flood("trickling bodies", 20, func(ctx context.Context) error { return trickle(ctx, a.HTTP) })
	flood("gzip bombs", 4, post(batches, gzipped, "Content-Encoding", "gzip"))
	flood("oversized bodies", 2, post(batches, large))
	flood("batches of nothing", 2, post(batches, bytes.Repeat([]byte{0x22, 0}, 4<<20)))
	flood("stream resets", 4, resetStreams(t, a.GRPC))
	flood("slow streams", 20, slowStream(t, a.GRPC))
	flood("messages that never end", 20, func(ctx context.Context) error { return halfMessages(ctx, a.GRPC) })
	flood("lz4 bombs", 4, post(frames, packed))
	flood("lz4 bombs of a size that is taken", 4, post(frames, fitting))
	flood("oversized frames", 2, post(frames, large))
	floods.Wait()
	counts := map[string]int64{"idle connections": int64(len(idlers))}
	for kind, n := range turns {
		counts[kind] = n.Load()
	}
	result, err := json.Marshal(counts)
	if err != nil {
		t.Fatal(err)
	}
	say(turnsFile, result)
	io.Copy(io.Discard, os.Stdin)
	for _, conn := range idlers {
		conn.Close()
	}
}

// openIdle opens connections that say little: none at all, HTTP/2's greeting, or a TLS handshake.
func openIdle(t *testing.T, n int, grpcAddr, httpAddr, relay string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	for i := range n {
		addr := []string{grpcAddr, httpAddr, relay}[i%3]
		// From many addresses: one has neither the ports for so many, nor would it be let in with them.
		from := net.IPv4(127, 1, byte(i/500), 1)
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatalf("idle connection %d, from %s: %v", i, from, err)
		}
		conns = append(conns, conn)
		switch {
		case addr == grpcAddr && i%2 == 0:
			if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
				t.Fatal(err)
			}
		case addr == relay && i%30 == 2:
			if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return conns
}

// halfOpen begins a request and never ends its header.
func halfOpen(ctx context.Context, addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /gosight.Ingestor/SendBatch HTTP/1.1\r\nHost: x\r\nX-A: "); err != nil {
		return err
	}
	rest(ctx, time.Second)
	return nil
}

// trickle sends a body a byte at a time.
func trickle(ctx context.Context, addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /gosight.Ingestor/SendBatch HTTP/1.1\r\nHost: x\r\n"+
		"Content-Type: application/proto\r\nContent-Length: 1000000\r\n\r\n")
	for err == nil && rest(ctx, 100*time.Millisecond) {
		_, err = conn.Write([]byte{10})
	}
	return err
}

// post sends a body that must be refused.
func post(url string, body []byte, headers ...string) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/proto")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		response, err := client.Do(r)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return nil // cut off while sending: refused as well
		}
		defer response.Body.Close()
		io.Copy(io.Discard, response.Body)
		if response.StatusCode == http.StatusOK {
			return fmt.Errorf("%s took it", url)
		}
		return nil
	}
}

func gzipBomb(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	zeros := make([]byte, 1<<20)
	for range 200 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// lz4Bomb is a frame of zeros, as long as the relay takes or longer; the records in it make no batch.
func lz4Bomb(t *testing.T, size int) []byte {
	t.Helper()
	raw := make([]byte, size)
	block := make([]byte, lz4.CompressBlockBound(size))
	n, err := (&lz4.Compressor{}).CompressBlock(raw, block)
	if err != nil {
		t.Fatal(err)
	}
	frame := append([]byte("GSF"), 1)
	frame = binary.LittleEndian.AppendUint32(frame, uint32(size))
	frame = binary.LittleEndian.AppendUint32(frame, crc32.Checksum(raw, crc32.MakeTable(crc32.Castagnoli)))
	return append(frame, block[:n]...)
}

func relayBody(frame []byte) []byte {
	body, err := (&gosight.ForwardRequest{AgentId: "hostile", Frame: frame}).MarshalVT()
	if err != nil {
		panic(err) // of memory only
	}
	return body
}

// resetStreams opens streams and takes them back at once.
func resetStreams(t *testing.T, addr string) func(context.Context) error {
	client := gosight.NewIngestorClient(dial(t, addr))
	return func(ctx context.Context) error {
		for range 50 {
			ctx, cancel := context.WithCancel(ctx)
			if _, err := client.SendEvents(ctx); err != nil {
				cancel()
				return err
			}
			cancel()
		}
		return nil
	}
}

// halfMessages opens streams and sends most of a message of 20 MB on each, as far as it is let.
func halfMessages(ctx context.Context, addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		return err
	}
	go io.Copy(io.Discard, conn) // what it says of windows is not heeded
	var head bytes.Buffer
	headers := hpack.NewEncoder(&head)
	first := append([]byte{0, 0x01, 0x30, 0, 0}, make([]byte, 8<<10)...) // of 19 MiB
	for id := uint32(1); id < 20; id += 2 {
		head.Reset()
		for _, field := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/gosight.Ingestor/SendBatch"},
			{":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
			if err := headers.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
				return err
			}
		}
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true}); err != nil {
			return nil
		}
		if err := framer.WriteData(id, false, first); err != nil {
			return nil
		}
	}
	for part := make([]byte, 16<<10); ctx.Err() == nil; {
		for id := uint32(1); id < 20; id += 2 {
			if framer.WriteData(id, false, part) != nil {
				return nil // cut off
			}
		}
		rest(ctx, 10*time.Millisecond)
	}
	return nil
}

// slowStream opens a stream and says nothing on it.
func slowStream(t *testing.T, addr string) func(context.Context) error {
	client := gosight.NewIngestorClient(dial(t, addr))
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if _, err := client.SendEvents(ctx); err != nil {
			return err
		}
		rest(ctx, 2*time.Second)
		return nil
	}
}
