package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sync/semaphore"
)

// session is a client's side of HTTP/2 as bytes.
type session struct {
	bytes.Buffer
	*http2.Framer
}

func newSession() *session {
	s := &session{}
	s.WriteString(http2.ClientPreface)
	s.Framer = http2.NewFramer(&s.Buffer, nil)
	return s
}

func (s *session) open(t *testing.T, stream uint32) {
	t.Helper()
	if err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

// message is the beginning of a gRPC message of size bytes, with so many of them.
func message(size, sent int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(size)), make([]byte, sent)...)
}

func arriving(budget int64) (*arrivingConn, net.Conn, *[]string) {
	client, server := net.Pipe()
	reasons := new([]string)
	l := &arrivalListener{largest: 1 << 20, budget: semaphore.NewWeighted(budget), refused: func(reason string) { *reasons = append(*reasons, reason) }}
	return &arrivingConn{Conn: server, limits: l, in: frames{skip: len(http2.ClientPreface)}, streams: map[uint32]*arrival{}}, client, reasons
}

// However frames and messages are cut, interleaved and padded, whole ones hold nothing, and open ones what has come.
func TestArrivalsAreFollowedHoweverTheyAreCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s := newSession()
		want := int64(0)
		for stream := uint32(1); stream < 20; stream += 2 {
			s.open(t, stream)
			var sent []byte
			for range random.IntN(5) {
				size := random.IntN(300)
				sent = append(sent, message(size, size)...)
			}
			left := 0
			if left = random.IntN(200); left > 0 {
				sent = append(sent, message(500, left)...)
			}
			for len(sent) > 0 {
				n := 1 + random.IntN(len(sent))
				if err := s.WriteDataPadded(stream, false, sent[:n], make([]byte, random.IntN(40))); err != nil {
					t.Fatal(err)
				}
				sent = sent[n:]
			}
			switch random.IntN(4) {
			case 0:
				err := s.WriteRSTStream(stream, http2.ErrCodeCancel)
				if err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := s.WriteData(stream, true, nil); err != nil {
					t.Fatal(err)
				}
			default:
				want += int64(left)
			}
		}
		c, client, _ := arriving(1 << 20)
		go func() {
			for data := s.Bytes(); len(data) > 0; {
				n := min(len(data), 1+random.IntN(100))
				client.Write(data[:n])
				data = data[n:]
			}
			client.Close()
		}()
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatal(err)
		}
		if c.held != want {
			t.Fatalf("held %d, want %d", c.held, want)
		}
		c.Close()
		if !c.limits.budget.TryAcquire(1 << 20) {
			t.Fatal("a closed connection holds some of the budget")
		}
	}
}

func TestMessagesThatAreNotWholeAreBounded(t *testing.T) {
	c, client, reasons := arriving(1000)
	s := newSession()
	for stream := uint32(1); stream < 9; stream += 2 {
		s.open(t, stream)
		if err := s.WriteData(stream, false, message(1000, 300)); err != nil {
			t.Fatal(err)
		}
	}
	go client.Write(s.Bytes())
	_, err := io.Copy(io.Discard, c)
	if !errors.Is(err, errArrivals) || len(*reasons) != 1 || (*reasons)[0] != "busy" {
		t.Errorf("%v, %v", err, *reasons)
	}
}

// What the server has ended it does not gather, and what comes of it later is no message.
func TestStreamsThatTheServerEnds(t *testing.T) {
	c, client, _ := arriving(1000)
	s := newSession()
	s.open(t, 1)
	if err := s.WriteData(1, false, message(1000, 900)); err != nil {
		t.Fatal(err)
	}
	go client.Write(s.Bytes())
	if _, err := io.ReadFull(c, make([]byte, s.Len())); err != nil || c.held != 900 {
		t.Fatalf("held %d, %v", c.held, err)
	}
	answer := newSession()
	if err := answer.WriteRSTStream(1, http2.ErrCodeNo); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, client)
	if _, err := c.Write(answer.Bytes()[len(http2.ClientPreface):]); err != nil || c.held != 0 {
		t.Fatalf("held %d, %v", c.held, err)
	}
	s.Reset()
	if err := s.WriteData(1, false, make([]byte, 900)); err != nil {
		t.Fatal(err)
	}
	go client.Write(s.Bytes())
	if _, err := io.ReadFull(c, make([]byte, s.Len())); err != nil || c.held != 0 || c.open != 0 {
		t.Errorf("held %d, open %d, %v", c.held, c.open, err)
	}
}

// A message that others overtake is still as old as it is.
func TestAMessageThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client, reasons := arriving(1000)
		s := newSession()
		s.open(t, 1)
		s.open(t, 3)
		if err := s.WriteData(1, false, message(100, 50)); err != nil {
			t.Fatal(err)
		}
		go func() {
			client.Write(s.Bytes())
			for range 100 {
				time.Sleep(time.Second)
				s.Reset()
				if s.WriteData(3, false, message(10, 10)) != nil {
					return
				}
				if _, err := client.Write(s.Bytes()); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		_, err := io.Copy(io.Discard, c)
		if took := time.Since(began); err == nil || took != arrivalPatience || len(*reasons) != 1 || (*reasons)[0] != "slow_message" {
			t.Errorf("after %s: %v, %v", took, err, *reasons)
		}
		c.Close()
		client.Close()
		time.Sleep(time.Minute) // until the client has seen it
	})
}

// Whatever bytes a connection brings, what it holds stays within the budget, and all of it comes back.
func FuzzArrivals(f *testing.F) {
	s := newSession()
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true})
	_ = s.WriteDataPadded(1, false, message(300, 20), make([]byte, 7))
	f.Add(s.Bytes()[len(http2.ClientPreface):], []byte{0, 0, 0, 3, 0, 0, 0, 0, 1}, 3)
	f.Fuzz(func(t *testing.T, in, out []byte, cut int) {
		const budget = 2000
		c, client, _ := arriving(budget)
		defer client.Close()
		c.in.skip = 0
		for len(in) > 0 || len(out) > 0 {
			n := min(len(in), 1+max(0, cut)%1000)
			m := min(len(out), n+1)
			if c.in.feed(in[:n], c.received) != nil {
				break
			}
			_ = c.out.feed(out[:m], c.sent)
			in, out = in[n:], out[m:]
			if c.held < 0 || c.held > budget || c.open < 0 || c.open > len(c.streams) {
				t.Fatalf("held %d, open %d of %d", c.held, c.open, len(c.streams))
			}
		}
		c.Close()
		if !c.limits.budget.TryAcquire(budget) || c.held != 0 || c.open != 0 {
			t.Fatalf("closed, it holds %d, open %d", c.held, c.open)
		}
	})
}
