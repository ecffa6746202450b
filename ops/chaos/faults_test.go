package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
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
	harm = append(harm,
		f.armed(h.agent, "slow disk", func(random *rand.Rand) string {
			return fmt.Sprintf("queue/fsync=delay:%s", between(random, 50*time.Millisecond, 400*time.Millisecond))
		}),
		f.armed(h.agent, "disk errors", func(random *rand.Rand) string {
			return fmt.Sprintf("queue/write=error@%d;queue/fsync=error@%d;queue/read=error@%d", 3+random.IntN(20),
				3+random.IntN(20), 3+random.IntN(20))
		}),
		f.armed(h.agent, "clock of the agent jumps", jumps),
	)
	if h.small != "" {
		harm = append(harm, fault{"disk full", f.fill})
	}
	return harm
}

func (f *faults) centre() []fault {
	h := f.h
	a, b, broker := h.aggregators[0], h.aggregators[1], h.brokers[0]
	return []fault{
		{"kill aggregator", func(context.Context, *rand.Rand) { a.kill() }},
		{"kill aggregator", func(context.Context, *rand.Rand) { b.kill() }},
		{"kill both aggregators", func(context.Context, *rand.Rand) { a.kill(); b.kill() }},
		{"pause aggregator", f.pause(a)},
		{"kill broker", func(context.Context, *rand.Rand) { broker.kill() }},
		{"broker away", f.away(broker)},
		{"pause broker", f.pause(broker)},
		{"kill engine", func(context.Context, *rand.Rand) { h.clickhouse.kill() }},
		{"engine away", f.away(h.clickhouse)},
		{"pause engine", f.pause(h.clickhouse)},
		{"slow engine", f.throttle(h.clickhouse)},
		{"slow broker", f.throttle(broker)},
		{"engine read-only", f.readOnly},
		f.armed(a, "clock of an aggregator jumps", jumps),
		{"engine cut off", func(ctx context.Context, random *rand.Rand) {
			for range 5 {
				h.engine.reset()
				rest(ctx, between(random, 50*time.Millisecond, 400*time.Millisecond))
			}
		}},
	}
}

// long is mostly short, and f.scale at most.
func (f *faults) long(random *rand.Rand) time.Duration {
	part := random.Float64()
	return 200*time.Millisecond + time.Duration(part*part*float64(f.scale))
}

// armed starts the program anew with these failpoints, and after a while once more with what it had.
func (f *faults) armed(p *process, name string, points func(*rand.Rand) string) fault {
	return fault{name, func(ctx context.Context, random *rand.Rand) {
		text := points(random)
		before := p.rearm(func(*process) string { return text })
		p.kill()
		rest(ctx, time.Second+f.long(random))
		p.rearm(before)
		p.kill()
	}}
}

// jumps is a clock that is set, by seconds or by hours, and set back, again and again.
func jumps(random *rand.Rand) string {
	by := between(random, time.Second, time.Minute)
	if random.IntN(2) == 0 {
		by = between(random, time.Hour, 10*time.Hour)
	}
	if random.IntN(2) == 0 {
		by = -by
	}
	return fmt.Sprintf("clock=jump:%s@%d", by, 5+random.IntN(100))
}

// throttle gives the program a tenth of the time.
func (f *faults) throttle(p *process) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		for end := time.Now().Add(f.long(random)); time.Now().Before(end) && ctx.Err() == nil; {
			p.signal(syscall.SIGSTOP)
			rest(ctx, 90*time.Millisecond)
			p.signal(syscall.SIGCONT)
			rest(ctx, 10*time.Millisecond)
		}
	}
}

// readOnly has the engine refuse inserts: into all tables, or only into the one that a view writes while the ledger's
// row is in.
func (f *faults) readOnly(ctx context.Context, random *rand.Rand) {
	tables := [][]string{{"events", "replay", "signals", "sessions"}, {"sessions"}}[random.IntN(2)]
	set := func(to int) {
		for _, table := range tables {
			eventually(f.h.t, fmt.Sprintf("%s is read-only: %d", table, to), func() bool {
				_, err := f.h.queryIn("gosight", fmt.Sprintf("ALTER TABLE %s MODIFY SETTING table_readonly = %d", table, to))
				return err == nil
			})
		}
	}
	set(1)
	rest(ctx, f.long(random))
	set(0)
}

func (f *faults) pause(p *process) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		p.signal(syscall.SIGSTOP)
		rest(ctx, f.long(random))
		p.signal(syscall.SIGCONT)
	}
}

func (f *faults) away(p *process) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		p.hold()
		rest(ctx, f.long(random))
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
