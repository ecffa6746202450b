package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

// What becomes of a range of events, as the client was told.
const (
	sent    = "sent"
	acked   = "acked"
	refused = "refused" // as a whole, and not sent again: nothing of it may be stored
	unknown = "unknown" // no answer, or one that leaves it open
)

const (
	block      = 50  // events of one lane that follow each other
	sessionLen = 500 // events of a session
	rageClicks = 8
)

// Everything about an event follows from its run and its number. Its id is RUN.NUMBER.
func sessionOf(run string, seq int) string {
	if strings.HasPrefix(run, "rage") {
		return fmt.Sprintf("%s-%d", run, seq/rageClicks)
	}
	return fmt.Sprintf("%s-%d", run, seq/sessionLen)
}

// invalid events are refused by name; they lie among good ones.
func invalid(run string, seq int) bool { return seq%97 == 13 && !strings.HasPrefix(run, "rage") }

func isReplay(run string, seq int) bool {
	return seq/block%5 == 4 && !strings.HasPrefix(run, "rage")
}

// A snapshot that is cut into parts comes now and then.
func snapshotBytes(run string, seq int) int {
	if isReplay(run, seq) && seq%5000 == 4*block && !strings.HasPrefix(run, "stream") {
		return 1_300_000
	}
	return 0
}

func isClick(run string, seq int) bool {
	return strings.HasPrefix(run, "rage") || !isReplay(run, seq) && seq%5 == 0
}

// pageOf is where all events of a run happen.
func pageOf(run string) string { return "https://shop.example/p/" + run }

func newEvent(run string, seq int, now int64) *gosight.Event {
	ev := &gosight.Event{
		SessionId: sessionOf(run, seq), UserId: run, EventId: fmt.Sprintf("%s.%d", run, seq), Timestamp: now,
		EventType: "scroll", Payload: fmt.Sprintf(`{"depth":%d,"y":%d}`, seq%100, seq),
		Metadata: map[string]string{"url": pageOf(run), "page_id": run, "browser": "Firefox"},
	}
	switch {
	case invalid(run, seq):
		ev.Payload = `{"x":`
	case strings.HasPrefix(run, "rage"):
		n := int64(seq % rageClicks)
		ev.EventType, ev.Timestamp = "click", now-1500+150*n
		ev.Payload = `{"x":100,"y":200,"vw":1200,"vh":800,"selector":"#pay","tag":"button","interactive":true}`
	case isReplay(run, seq):
		ev.EventType = "mutation"
		if seq%sessionLen == 4*block {
			ev.EventType = "full_snapshot"
		}
		ev.Payload = fmt.Sprintf(`{"type":3,"data":{"n":%d,"pad":%q},"timestamp":%d}`, seq,
			strings.Repeat("x", snapshotBytes(run, seq)), now)
	case isClick(run, seq):
		ev.EventType = "click"
		ev.Payload = fmt.Sprintf(`{"x":%d,"y":%d,"vw":1200,"vh":800,"selector":"#f","tag":"input","interactive":true}`,
			seq*7919%1200, seq*104729%800)
	}
	return ev
}

// driver sends as SDKs do, many at a time, and keeps a journal of each.
type driver struct {
	t       *testing.T
	dir     string
	rate    int // events a second, together; batches have up to a block of them
	giveUp  bool
	workers []*worker
	group   sync.WaitGroup
	cancel  context.CancelFunc
	settle  context.Context // ended: whatever is open is given up
	surrend context.CancelFunc
}

type worker struct {
	*driver
	run     string
	events  int // in a batch
	send    func(context.Context, []*gosight.Event) (*gosight.Status, error)
	journal *os.File
	next    int
	wrong   []string // answers that cannot be right
	mu      sync.Mutex
	took    []time.Duration
}

// newDriver starts clients of every kind.
func newDriver(t *testing.T, grpcAddr, httpAddr, dir string, rate, batch int, giveUp bool) *driver {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, dir: dir, rate: rate, giveUp: giveUp}
	for i := range 3 {
		d.add(fmt.Sprintf("stream%d", i), 4*block, streamOver(t, grpcAddr))
		d.add(fmt.Sprintf("unary%d", i), batch, unaryOver(t, grpcAddr))
		d.add(fmt.Sprintf("http%d", i), batch, httpOver(httpAddr))
	}
	d.add("rage0", rageClicks, unaryOver(t, grpcAddr))
	d.add("rage1", rageClicks, httpOver(httpAddr))
	running, cancel := context.WithCancel(context.Background())
	d.settle, d.surrend = context.WithCancel(context.Background())
	d.cancel = cancel
	for _, w := range d.workers {
		d.group.Go(func() { w.work(running) })
	}
	t.Cleanup(func() {
		d.surrend()
		d.stop()
	})
	return d
}

func (d *driver) add(run string, events int, send func(context.Context, []*gosight.Event) (*gosight.Status, error)) {
	journal, err := os.OpenFile(filepath.Join(d.dir, run), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	d.workers = append(d.workers, &worker{driver: d, run: run, events: events, send: send, journal: journal})
}

// stop lets every worker bring what it has in hand to an end.
func (d *driver) stop() {
	d.cancel()
	d.group.Wait()
	for _, w := range d.workers {
		w.journal.Close()
	}
}

func (d *driver) sent() int {
	total := 0
	for _, w := range d.workers {
		w.mu.Lock()
		total += w.next
		w.mu.Unlock()
	}
	return total
}

// work sends batch after batch until running ends; what it has begun it brings to an end.
func (w *worker) work(running context.Context) {
	random := rand.New(rand.NewPCG(1, uint64(len(w.run))))
	steady, angry := 0, 0 // those who click in anger do so once a second, and the others bring the rest of the rate
	for _, other := range w.workers {
		if strings.HasPrefix(other.run, "rage") {
			angry += rageClicks
		} else {
			steady++
		}
	}
	pace := time.Duration(float64(time.Second) * float64(w.events) * float64(steady) / float64(w.rate-angry))
	if strings.HasPrefix(w.run, "rage") {
		pace = time.Second
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-running.Done():
			return
		case <-tick.C:
		}
		w.mu.Lock()
		first, last := w.next, w.next+w.events-1
		w.next += w.events
		w.mu.Unlock()
		w.one(running, first, last, random)
	}
}

func (w *worker) one(running context.Context, first, last int, random *rand.Rand) {
	now := time.Now().UnixMilli()
	open := false // an earlier try may have been stored
	for try := 0; w.settle.Err() == nil; try++ {
		events := make([]*gosight.Event, 0, last-first+1)
		for seq := first; seq <= last; seq++ {
			events = append(events, newEvent(w.run, seq, now))
		}
		w.write(sent, first, last, "")
		ctx, cancel := context.WithTimeout(w.settle, 10*time.Second)
		began := time.Now()
		answer, err := w.send(ctx, events)
		cancel()
		wait := 50 * time.Millisecond
		switch {
		case err == nil:
			w.mu.Lock()
			w.took = append(w.took, time.Since(began))
			w.mu.Unlock()
			if reason := w.check(answer, first, last); reason != "" {
				w.write(unknown, first, last, reason)
				w.wrong = append(w.wrong, fmt.Sprintf("%s %d-%d: %s", w.run, first, last, reason))
				return
			}
			w.write(acked, first, last, "")
			return
		case isFull(err) && !strings.HasPrefix(w.run, "stream"):
			if !open && w.giveUp && running.Err() == nil && random.IntN(3) == 0 {
				w.write(refused, first, last, err.Error())
				return
			}
			wait = 300 * time.Millisecond
		default:
			open = true
			w.write(unknown, first, last, err.Error())
			if w.giveUp && running.Err() == nil && random.IntN(20) == 0 {
				return // as a page that is closed
			}
		}
		select {
		case <-time.After(wait):
		case <-w.settle.Done():
		}
	}
}

// check says what is wrong with the answer to a batch.
func (w *worker) check(answer *gosight.Status, first, last int) string {
	bad := uint64(0)
	for seq := first; seq <= last; seq++ {
		if invalid(w.run, seq) {
			bad++
		}
	}
	if answer.Accepted != uint64(last-first+1)-bad || answer.Rejected != bad || answer.Reasons["invalid_json"] != bad {
		return fmt.Sprintf("%d of %d are not JSON, and the answer is %v", bad, last-first+1, answer)
	}
	return ""
}

// write puts a line into the journal and fsyncs it.
func (w *worker) write(what string, first, last int, why string) {
	_, err := fmt.Fprintf(w.journal, "%s %d %d %q\n", what, first, last, why)
	if err == nil {
		err = w.journal.Sync()
	}
	if err != nil {
		w.t.Errorf("journal: %v", err)
	}
}

// isFull says that the agent refused the whole batch for want of room: nothing of it is stored.
func isFull(err error) bool {
	if connect.CodeOf(err) == connect.CodeResourceExhausted {
		var refusal *connect.Error
		return errors.As(err, &refusal) && connect.IsWireError(err)
	}
	return status.Code(err) == codes.ResourceExhausted
}

func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6,
			Jitter: .2, MaxDelay: time.Second}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func streamOver(t *testing.T, addr string) func(context.Context, []*gosight.Event) (*gosight.Status, error) {
	client := gosight.NewIngestorClient(dial(t, addr))
	return func(ctx context.Context, events []*gosight.Event) (*gosight.Status, error) {
		stream, err := client.SendEvents(ctx)
		if err != nil {
			return nil, err
		}
		for _, ev := range events {
			if stream.Send(ev) != nil {
				break // the answer says why
			}
		}
		return stream.CloseAndRecv()
	}
}

func unaryOver(t *testing.T, addr string) func(context.Context, []*gosight.Event) (*gosight.Status, error) {
	client := gosight.NewIngestorClient(dial(t, addr))
	return func(ctx context.Context, events []*gosight.Event) (*gosight.Status, error) {
		return client.SendBatch(ctx, &gosight.EventBatch{Events: events})
	}
}

func httpOver(addr string) func(context.Context, []*gosight.Event) (*gosight.Status, error) {
	client := gosightconnect.NewIngestorClient(&http.Client{Transport: &http.Transport{}}, "http://"+addr)
	return func(ctx context.Context, events []*gosight.Event) (*gosight.Status, error) {
		answer, err := client.SendBatch(ctx, connect.NewRequest(&gosight.EventBatch{Events: events}))
		if err != nil {
			return nil, err
		}
		return answer.Msg, nil
	}
}
