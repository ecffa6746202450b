package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// fill takes all the room there is: writes of the agent fail with ENOSPC.
func (f *faults) fill(ctx context.Context, random *rand.Rand) {
	agent := f.h.agent
	agent.excuse(true)
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
	agent.excuse(false)
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
	arm := h.agent.rearm(nil)
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
	h.agent.rearm(arm)
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
