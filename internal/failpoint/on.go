//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

type point struct {
	kind  string
	delay time.Duration
	every int64
	hits  atomic.Int64
}

var armed = parse(os.Getenv(Variable))

func parse(text string) map[string]*point {
	points := map[string]*point{}
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' }) {
		name, action, _ := strings.Cut(one, "=")
		action, every, counted := strings.Cut(action, "@")
		kind, delay, timed := strings.Cut(action, ":")
		p, err := &point{kind: kind, every: 1}, error(nil)
		if counted {
			p.every, err = strconv.ParseInt(every, 10, 64)
		}
		if timed && err == nil {
			p.delay, err = time.ParseDuration(delay)
		}
		if err != nil || p.every < 1 {
			panic(fmt.Sprintf("%s: %q: %v", Variable, one, err))
		}
		points[name] = p
	}
	return points
}

// Hit is called at the edge called name: it may not return, return late, or return an error as if what was done
// there had failed.
func Hit(name string) error {
	p := armed[name]
	if p == nil || p.hits.Add(1)%p.every != 0 {
		return nil
	}
	switch p.kind {
	case "crash":
		time.Sleep(p.delay)
		fmt.Fprintln(os.Stderr, "failpoint", name, "crashes")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "delay":
		time.Sleep(p.delay)
	case "error":
		return fmt.Errorf("failpoint %s: %w", name, syscall.EIO)
	}
	return nil
}

// On says whether the hidden setting called name is on: how the product would be if a promise were not kept, for
// negative controls.
func On(name string) bool { return armed[name] != nil && armed[name].kind == "on" }

// Now is the wall clock, which somebody may have set.
func Now() time.Time {
	p := armed["clock"]
	if p == nil || p.kind != "jump" || p.hits.Add(1)/p.every%2 == 0 {
		return time.Now()
	}
	return time.Now().Add(p.delay)
}
