package fleet

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// page has the web SDK with both agents, the far one first, and tracks a tick each time that its server lets it.
const page = `<!doctype html><title>A page</title>
<script src="http://%[1]s/sdk/gosight.js" data-key="k" data-replay="off" data-endpoint="http://%[2]s http://%[1]s"></script>
<script>
let n = 0;
setInterval(async () => {
  const mine = n++;
  if ((await (await fetch("/tick?n=" + mine)).text()) === "go") gosight.track("browser-tick", { n: mine });
  else n = mine;
}, 50);
</script>`

// browser is a Chromium at a place, on a page that ticks until it is told to stop.
type browser struct {
	ticks   atomic.Int64
	stopped atomic.Bool
}

func (f *fleet) browse(p *place) *browser {
	f.t.Helper()
	chromium := os.Getenv("GOSIGHT_CHROMIUM")
	if chromium == "" {
		f.t.Skip("*** NO BROWSER: GOSIGHT_CHROMIUM does not say where Chromium is ***")
	}
	b := &browser{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, page, f.eu.at(httpPort), f.us.at(httpPort))
	})
	mux.HandleFunc("GET /tick", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		if err != nil || b.stopped.Load() {
			return
		}
		b.ticks.Store(max(b.ticks.Load(), n+1))
		fmt.Fprint(w, "go")
	})
	var listener net.Listener
	var err error
	p.within(func() { listener, err = net.Listen("tcp", loopback(0)) })
	if err != nil {
		f.t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	f.t.Cleanup(func() { server.Close() })

	r := &program{t: f.t, place: p, log: filepath.Join(f.dir, "chromium.log"), command: []string{
		chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + f.t.TempDir(), "http://" + listener.Addr().String(),
	}}
	r.start()
	f.t.Cleanup(r.kill)
	return b
}

func (f *fleet) ticks(where string) int64 {
	f.t.Helper()
	n, err := strconv.ParseInt(f.query("SELECT count() FROM gosight.events FINAL WHERE name = 'browser-tick' AND "+where), 10, 64)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// The web SDK does as the Go SDK does.
func TestBrowserFindsTheNearestAgent(t *testing.T) {
	f := newFleet(t)
	b := f.browse(f.visitor)
	f.await("ticks arrive", func() bool { return f.ticks("true") > 20 })
	early := f.ticks("agent_id = 'us'")
	f.await("ticks arrive near", func() bool { return f.ticks("agent_id = 'eu'") > 40 })
	if late := f.ticks("agent_id = 'us'"); late != early {
		t.Errorf("%d ticks went to the far agent, and then %d", early, late)
	}
	t.Logf("%d ticks went to the agent that is named first, before the nearest was known", early)

	cut := time.Now()
	f.both(f.visitor, f.eu, func(w *way) { w.cut = true })
	moved := fmt.Sprintf("agent_id = 'us' AND received_at > fromUnixTimestamp64Milli(%d)", cut.UnixMilli())
	f.await("ticks arrive elsewhere", func() bool { return f.ticks(moved) > 20 })
	first, err := strconv.ParseInt(f.query("SELECT toUnixTimestamp64Milli(min(received_at)) FROM gosight.events WHERE "+moved), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	f.within(time.Second, "first batch of the browser at the far agent", time.UnixMilli(first).Sub(cut))

	f.both(f.visitor, f.eu, func(w *way) { w.cut = false })
	near := f.ticks("agent_id = 'eu'")
	back := f.await("ticks arrive near again", func() bool { return f.ticks("agent_id = 'eu'") > near+20 })
	t.Logf("back at the near agent after %s", back.Round(time.Millisecond))
	b.stopped.Store(true)
	all := b.ticks.Load()
	f.await(fmt.Sprintf("all %d ticks are stored", all), func() bool { return f.ticks("true") >= all })
	if n := f.ticks("true"); n != all {
		t.Errorf("%d ticks are stored of %d", n, all)
	}
	if distinct := f.query("SELECT uniqExact(payload) FROM gosight.events FINAL WHERE name = 'browser-tick'"); distinct != fmt.Sprint(all) {
		t.Errorf("%s different ticks of %d", distinct, all)
	}
}
