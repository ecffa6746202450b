package fleet

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patient is by how much a time that the design promises may be exceeded on a machine with other things to do; the
// times themselves are printed.
const patient = 4

func (f *fleet) within(promised time.Duration, what string, took time.Duration) {
	f.t.Helper()
	f.t.Logf("%s: %d ms (promised %d ms)", what, took.Milliseconds(), promised.Milliseconds())
	if took > patient*promised {
		f.t.Errorf("%s took %s", what, took)
	}
}

func (f *fleet) members(p *place) float64 { return f.metric(p, "gosight_fleet_members") }

func (f *fleet) whole() bool {
	for _, p := range []*place{f.one, f.two, f.eu, f.us} {
		if f.members(p) != 4 {
			return false
		}
	}
	return true
}

// relayed counts the frames that an agent sent to an aggregator over a transport ("" for any).
func (f *fleet) relayed(from, to *place, transport string) float64 {
	return f.metric(from, "gosight_forward_requests_total", to.String(), transport)
}

func (f *fleet) accepted(p *place) float64 {
	return f.metric(p, "gosight_ingest_accepted_events_total")
}

func TestFleet(t *testing.T) {
	f := newFleet(t)
	t.Logf("one fleet of four after %s", f.await("all know each other", f.whole))
	visitor := f.visit()
	var acked uint64

	t.Run("the nearest agent is chosen", func(t *testing.T) {
		f.await("events arrive", func() bool { return f.accepted(f.eu) >= 100 })
		if n := f.accepted(f.us); n != 0 {
			t.Errorf("the far agent has %v events", n)
		}
	})
	t.Run("the near agent is cut off", func(t *testing.T) {
		visitor.look()
		f.both(f.visitor, f.eu, func(w *way) { w.cut = true })
		f.await("events arrive elsewhere", func() bool { return f.accepted(f.us) >= 100 })
		f.within(time.Second, "slowest batch when the near agent was cut off", visitor.look())
		f.both(f.visitor, f.eu, func(w *way) { w.cut = false })
		before := f.accepted(f.eu)
		took := f.await("the near agent is used again", func() bool { return f.accepted(f.eu) > before })
		t.Logf("back at the near agent after %s", took.Round(time.Millisecond))
	})
	t.Run("an aggregator is killed", func(t *testing.T) {
		visitor.look()
		killed := time.Now()
		f.aggregatorOne.kill()
		before := f.relayed(f.eu, f.two, "")
		f.await("frames go to the other", func() bool { return f.relayed(f.eu, f.two, "") > before+10 })
		f.await("the fleet has noticed", func() bool { return f.members(f.two) == 3 && f.members(f.eu) == 3 })
		t.Logf("called dead after %s; slowest batch of a visitor %d ms", time.Since(killed).Round(time.Millisecond), visitor.look().Milliseconds())
		f.aggregatorOne.start()
		before = f.relayed(f.eu, f.one, "")
		f.await("it is used again", func() bool { return f.relayed(f.eu, f.one, "") > before })
		f.await("one fleet again", f.whole)
	})
	t.Run("a partition heals", func(t *testing.T) {
		f.around(f.one, func(w *way) { w.cut = true })
		took := f.await("two fleets", func() bool { return f.members(f.one) == 1 && f.members(f.two) == 3 })
		t.Logf("two fleets after %s", took.Round(time.Millisecond))
		f.around(f.one, func(w *way) { w.cut = false })
		took = f.await("one fleet", f.whole)
		t.Logf("one fleet again after %s", took.Round(time.Millisecond))
		before := f.relayed(f.eu, f.one, "")
		f.await("frames go to both", func() bool { return f.relayed(f.eu, f.one, "") > before })
	})
	t.Run("UDP is blocked", func(t *testing.T) {
		quic := func() float64 { return f.metric(f.eu, "gosight_forward_http3") }
		f.await("frames go over QUIC", func() bool { return quic() == 2 })
		before := f.metric(f.eu, "gosight_forward_requests_total", "http2")
		f.udp(f.eu, false)
		took := f.await("frames go over TCP", func() bool {
			return f.metric(f.eu, "gosight_forward_requests_total", "http2") > before && quic() < 2
		})
		f.within(time.Second, "over TCP after UDP was blocked", took)
		f.await("none goes over QUIC", func() bool { return quic() == 0 })
		f.udp(f.eu, true)
		f.within(time.Minute, "over QUIC again after UDP was let through", f.await("frames go over QUIC again", func() bool { return quic() == 2 }))
	})
	t.Run("a bad line", func(t *testing.T) {
		for _, transport := range []string{"QUIC", "TCP"} {
			acked += f.throughBadLine(transport)
		}
	})
	acked += visitor.end()
	f.counted(acked)
}

func (f *fleet) udp(p *place, open bool) {
	for _, aggregator := range []*place{f.one, f.two} {
		f.both(p, aggregator, func(w *way) { w.noUDP = !open })
	}
}

// throughBadLine prints how fast a queue drains over a way of 5 ms that loses 5 % of the packets and reorders 2 %.
func (f *fleet) throughBadLine(transport string) (acked uint64) {
	const backlog = 8 << 20
	f.udp(f.us, transport == "QUIC")
	f.await("the agent uses "+transport, func() bool {
		acked += f.fill(f.us, 48<<10) // an agent without traffic opens no connection
		return f.metric(f.us, "gosight_forward_http3") == map[string]float64{"QUIC": 2, "TCP": 0}[transport]
	})
	for _, aggregator := range []*place{f.one, f.two} {
		f.both(f.us, aggregator, func(w *way) { w.delay, w.loss, w.reorder = 5*time.Millisecond, 0.05, 0.02 })
	}
	sent := func() float64 { return f.metric(f.us, "gosight_forward_raw_bytes_total") }
	frames := func(over string) float64 { return f.metric(f.us, "gosight_forward_requests_total", over) }
	before, http3, http2, began := sent(), frames("http3"), frames("http2"), time.Now()
	acked += f.fill(f.us, backlog)
	f.await("the queue is empty", func() bool { return sent() >= before+backlog*0.95 })
	if transport == "TCP" {
		control, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
		transport += " with " + strings.TrimSpace(string(control))
	}
	f.t.Logf("%s through 5 %% loss and 2 %% reordering at 10 ms: %.0f kB/s (%.0f frames over QUIC, %.0f over TCP)", transport,
		(sent()-before)/1000/time.Since(began).Seconds(), frames("http3")-http3, frames("http2")-http2)
	for _, aggregator := range []*place{f.one, f.two} {
		f.both(f.us, aggregator, func(w *way) { w.delay, w.loss, w.reorder = 50*time.Millisecond, 0, 0 })
	}
	f.udp(f.us, true)
	return acked
}

// counted holds what was acknowledged against what is stored.
func (f *fleet) counted(acked uint64) {
	f.t.Helper()
	count := func() uint64 {
		n, err := strconv.ParseUint(f.query("SELECT count() FROM gosight.events FINAL WHERE project = 'shop'"), 10, 64)
		if err != nil {
			f.t.Fatal(err)
		}
		return n
	}
	f.await(fmt.Sprintf("%d events are stored", acked), func() bool { return count() >= acked })
	if n := count(); n != acked {
		f.t.Errorf("%d events are stored, %d were acked", n, acked)
	}
	f.t.Logf("%d events acked and stored, each once; by agent: %s", acked,
		f.query("SELECT groupArray((agent_id, n)) FROM (SELECT agent_id, count() AS n FROM gosight.events FINAL WHERE project = 'shop' GROUP BY agent_id)"))
}
