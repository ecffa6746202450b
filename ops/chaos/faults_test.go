package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// faults does harm at random, one thing at a time at the edge and, beside it, one at the centre.
type faults struct {
	h      *house
	seed   uint64
	scale  time.Duration // a long outage
	mu     sync.Mutex
	cycles map[string]int
	// What the disk was made to destroy, by the agent's own counters.
	lostValues, lostGroups int
	group                  sync.WaitGroup
	stop                   context.CancelFunc
}

type fault struct {
	name string
	do   func(ctx context.Context, random *rand.Rand)
}

func unleash(h *house, seed uint64, scale time.Duration) *faults {
	ctx, stop := context.WithCancel(context.Background())
	f := &faults{h: h, seed: seed, scale: scale, cycles: map[string]int{}, stop: stop}
	for i, side := range [][]fault{f.edge(), f.centre()} {
		f.group.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				// Every kind comes once before any comes again.
				for _, n := range random.Perm(len(side)) {
					if !rest(ctx, time.Duration(200+random.IntN(800))*time.Millisecond) {
						return
					}
					f.mu.Lock()
					f.cycles[side[n].name]++
					f.mu.Unlock()
					side[n].do(ctx, random)
				}
			}
		})
	}
	return f
}

// heal ends all harm: programs without failpoints, free ways, room on the disk.
func (f *faults) heal() {
	f.stop()
	f.group.Wait()
	for _, p := range f.h.all() {
		p.disarm()
	}
	for _, p := range f.h.all() {
		p.await()
	}
}

func (f *faults) String() string {
	var said []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(f.cycles)) {
		said = append(said, fmt.Sprintf("%s %d", name, f.cycles[name]))
		total += f.cycles[name]
	}
	text := fmt.Sprintf("seed %d, %d cycles: %s\n  starts:", f.seed, total, strings.Join(said, ", "))
	crashes := map[string]int{}
	for _, p := range f.h.all() {
		text += fmt.Sprintf(" %s %d", p.name, p.starts)
		for at, n := range p.crashes {
			name, _, _ := strings.Cut(at, "@")
			crashes[name] += n
		}
	}
	text += "\n  at failpoints:"
	for _, name := range slices.Sorted(maps.Keys(crashes)) {
		text += fmt.Sprintf(" %s %d", name, crashes[name])
	}
	return text + fmt.Sprintf("\n  lost by damaged files, as counted: %d batches, %d groups", f.lostValues, f.lostGroups)
}

func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)+1))
}

var edgePoints = []string{"queue/write", "queue/fsync", "queue/ack", "ingest/ack", "forward/send", "forward/sent", "forward/done"}

var centrePoints = []string{"receive/produce", "receive/answer", "bus/handle", "bus/commit", "bus/committed"}

// arming gives a program its failpoints when it starts: mostly one that crashes it at some edge, or slow and
// failing ones.
func arming(seed uint64) func(p *process) string {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 7))
	return func(p *process) string {
		points := map[string][]string{"agent": edgePoints, "aggregator0": centrePoints, "aggregator1": centrePoints}[p.name]
		if points == nil {
			return ""
		}
		mu.Lock()
		defer mu.Unlock()
		point := points[random.IntN(len(points))]
		switch random.IntN(6) {
		case 0, 1, 2:
			return fmt.Sprintf("%s=crash@%d", point, 3+random.IntN(150))
		case 3:
			return fmt.Sprintf("%s=error@%d", point, 5+random.IntN(30))
		case 4: // a slow disk, a slow broker
			return fmt.Sprintf("%s=delay:%dms@%d", point, 20+random.IntN(200), 1+random.IntN(8))
		}
		return ""
	}
}

func (f *faults) edge() []fault {
	h := f.h
	harm := []fault{
		{"kill agent", func(context.Context, *rand.Rand) { h.agent.kill() }},
		{"kill agent again while it starts", func(ctx context.Context, random *rand.Rand) {
			for range 3 {
				h.agent.kill()
				rest(ctx, between(random, 10*time.Millisecond, 200*time.Millisecond))
			}
		}},
		{"pause agent", f.pause(h.agent)},
		{"clients cut off", func(context.Context, *rand.Rand) { h.front[0].reset(); h.front[1].reset() }},
		{"clients stalled", func(ctx context.Context, random *rand.Rand) {
			way := h.front[random.IntN(2)]
			way.stall()
			rest(ctx, between(random, 200*time.Millisecond, 2*time.Second))
			way.pass()
		}},
		{"relay cut off", func(context.Context, *rand.Rand) { h.relays[0].reset(); h.relays[1].reset() }},
		{"relay stalled", func(ctx context.Context, random *rand.Rand) {
			f.unreachable(ctx, between(random, 500*time.Millisecond, 3*time.Second))
		}},
		{"UDP blocked", func(ctx context.Context, random *rand.Rand) {
			for _, relay := range h.relays {
				relay.dropUDP.Store(true)
				relay.reset()
			}
			rest(ctx, between(random, time.Second, 4*time.Second))
			for _, relay := range h.relays {
				relay.dropUDP.Store(false)
			}
		}},
		{"queue files damaged", f.damage},
	}
	if h.small != "" {
		harm = append(harm, fault{"disk full", f.fill})
	}
	return harm
}

func (f *faults) centre() []fault {
	h := f.h
	a, b := h.aggregators[0], h.aggregators[1]
	return []fault{
		{"kill aggregator", func(context.Context, *rand.Rand) { a.kill() }},
		{"kill aggregator", func(context.Context, *rand.Rand) { b.kill() }},
		{"kill both aggregators", func(context.Context, *rand.Rand) { a.kill(); b.kill() }},
		{"pause aggregator", f.pause(a)},
		{"kill broker", func(context.Context, *rand.Rand) { h.kafka.kill() }},
		{"broker away", f.away(h.kafka)},
		{"pause broker", f.pause(h.kafka)},
		{"kill engine", func(context.Context, *rand.Rand) { h.clickhouse.kill() }},
		{"engine away", f.away(h.clickhouse)},
		{"pause engine", f.pause(h.clickhouse)},
		{"engine cut off", func(ctx context.Context, random *rand.Rand) {
			for range 5 {
				h.engine.reset()
				rest(ctx, between(random, 50*time.Millisecond, 400*time.Millisecond))
			}
		}},
	}
}

func (f *faults) pause(p *process) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		p.signal(syscall.SIGSTOP)
		rest(ctx, between(random, 200*time.Millisecond, f.scale))
		p.signal(syscall.SIGCONT)
	}
}

func (f *faults) away(p *process) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		p.hold()
		rest(ctx, between(random, time.Second, f.scale))
		p.release()
	}
}

func (f *faults) unreachable(ctx context.Context, d time.Duration) {
	for _, relay := range f.h.relays {
		relay.stall()
	}
	rest(ctx, d)
	for _, relay := range f.h.relays {
		relay.pass()
	}
}

// fill takes all the room there is: writes of the agent fail with ENOSPC.
func (f *faults) fill(ctx context.Context, random *rand.Rand) {
	agent := f.h.agent
	agent.mu.Lock()
	agent.excused = true
	agent.mu.Unlock()
	path := filepath.Join(f.h.small, "filler")
	file, err := os.Create(path)
	if err == nil {
		for page := make([]byte, 1<<20); err == nil; {
			if _, err = file.Write(page); err != nil && len(page) > 4096 {
				page, err = page[:4096], nil
			}
		}
		file.Close()
	}
	rest(ctx, between(random, 300*time.Millisecond, 2*time.Second))
	os.Remove(path)
	agent.await()
	agent.mu.Lock()
	agent.excused = false
	agent.mu.Unlock()
}

// damage lets a backlog gather, kills the agent, and flips or tears off bytes of its files. That data was acked:
// what of it cannot be read again is lost, and the agent has to say how much.
func (f *faults) damage(ctx context.Context, random *rand.Rand) {
	h := f.h
	for _, relay := range h.relays {
		relay.stall()
		relay.reset()
	}
	rest(ctx, between(random, 500*time.Millisecond, 1500*time.Millisecond))
	h.agent.hold()
	files, _ := filepath.Glob(filepath.Join(h.dir, "agent", "queue", "*", "*.seg"))
	files = append(files, filepath.Join(h.dir, "agent", "queue", "delivered"))
	for _, path := range files {
		f.spoil(path, random)
	}
	// No failpoint may end the agent before its counters are read.
	h.agent.mu.Lock()
	arm := h.agent.arm
	h.agent.arm = nil
	h.agent.mu.Unlock()
	h.agent.release()
	h.agent.await()
	for _, relay := range h.relays {
		relay.pass()
	}
	var m map[string]float64
	eventually(h.t, "what is left of a damaged queue is delivered", func() bool {
		var err error
		m, err = metrics(h.agentAdmin)
		// New events keep it from being empty; what was found at the start is gone when this much is delivered.
		return err == nil && m["gosight_queue_oldest_seconds"] < 1
	})
	f.mu.Lock()
	f.lostValues += int(m["gosight_queue_lost_values_total"])
	f.lostGroups += int(m["gosight_queue_lost_groups_total"])
	f.mu.Unlock()
	h.agent.mu.Lock()
	h.agent.arm = arm
	h.agent.mu.Unlock()
}

func (f *faults) spoil(path string, random *rand.Rand) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return // delivered just now
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return
	}
	switch random.IntN(4) {
	case 0: // torn
		err = file.Truncate(random.Int64N(info.Size()))
	case 1, 2: // flipped, where something is written
		var b [1]byte
		for left := 1 + random.IntN(12); left > 0 && err == nil; {
			at := random.Int64N(info.Size())
			if _, err = file.ReadAt(b[:], at); err == nil && (b[0] != 0 || random.IntN(1000) == 0) {
				b[0] ^= byte(1 << random.IntN(8))
				_, err = file.WriteAt(b[:], at)
				left--
			}
		}
	}
	if err != nil {
		f.h.t.Errorf("spoil %s: %v", path, err)
	}
}
