package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// stream drives an engine on one session and says what comes out, one word for each signal.
type stream struct {
	t   *testing.T
	e   *Engine
	now int64
}

const day0 = 1_800_000_000_000

func newStream(t *testing.T, cfg Config) *stream { return &stream{t, engineWith(cfg), day0} }

func words(signals []Signal) string {
	var out []string
	for _, s := range signals {
		state := "first"
		if s.Retracted {
			state = "retracted"
		} else if s.Final {
			state = "final"
		}
		out = append(out, fmt.Sprintf("%s/%s/%d %s", s.Kind, s.FirstEventId, s.Count, state))
	}
	return strings.Join(out, ", ")
}

// at observes an event at a host time, ms into the day.
func (s *stream) at(ms int64, ev Event, want string) {
	s.t.Helper()
	s.now = day0 + ms
	if got := words(s.e.Observe("p", "s", []Event{ev}, s.now)); got != want {
		s.t.Errorf("at %d %s gave %q, want %q", ms, ev.ID, got, want)
	}
}

func (s *stream) advance(ms int64, want string) {
	s.t.Helper()
	s.now = day0 + ms
	if got := words(s.e.Advance(s.now)); got != want {
		s.t.Errorf("advancing to %d gave %q, want %q", ms, got, want)
	}
}

func TestRageIsSaidAtTheSixthClickAndWhenItIsOver(t *testing.T) {
	s := newStream(t, Default())
	for i, ev := range burstOf(8, 200, "") {
		want := ""
		if i == 5 {
			want = "rage_click/click@0/6 first"
		}
		s.at(int64(i)*200, ev, want)
	}
	s.advance(3400, "")
	s.advance(3401, "rage_click/click@0/8 final")
	s.advance(120_000, "")
}

func TestLateFirstClickChangesTheRow(t *testing.T) {
	s := newStream(t, Default())
	for i, ev := range burstOf(7, 200, "")[1:] {
		want := ""
		if i == 5 {
			want = "rage_click/click@200/6 first"
		}
		s.at(200+int64(i)*200, ev, want)
	}
	s.at(1500, burstOf(1, 200, "")[0], "rage_click/click@200/6 retracted, rage_click/click@0/7 first")
}

func TestLateOutcomeTakesADeadClickBack(t *testing.T) {
	s := newStream(t, Default())
	s.at(0, clickAt(0, 9, 9, div), "")
	s.advance(3000, "")
	s.advance(3001, "dead_click/click@0/1 final")
	s.at(3500, outcomeOf(900, 0, "mutation", 890), "dead_click/click@0/1 retracted")
	s.advance(120_000, "")
}

func TestOutcomeDecidesAtOnce(t *testing.T) {
	s := newStream(t, Default())
	s.at(0, clickAt(0, 9, 9, button), "")
	s.at(2500, outcomeOf(2500, 0, "none", 2500), "unresponsive_click/click@0/1 final")
}

func TestWhatComesTooLateIsCounted(t *testing.T) {
	s := newStream(t, Default())
	s.at(0, clickAt(20_000, 9, 9, button), "")
	s.at(1, clickAt(10_000, 9, 9, button), "")
	s.at(2, clickAt(9_999, 9, 9, button), "")
	s.at(3, clickAt(20_000, 9, 9, button), "")
	s.at(4, at(20_000, "click", `{"x":1}`), "")
	got := s.e.Stats()
	if got.Late != 1 || got.Repeated != 1 || got.Malformed != 1 || got.Sessions != 1 {
		t.Errorf("stats are %+v", got)
	}
}

func TestCentreTakesBackWhatItDoesNotFind(t *testing.T) {
	s := newStream(t, Default())
	for i, ev := range burstOf(5, 200, "") {
		s.at(int64(i)*200, ev, "")
	}
	wrong := &gosight.Signal{SignalId: SignalID("p", "s", RageClick, "click@200"), Kind: RageClick, Timestamp: day0 + 200,
		FirstEventId: "click@200", Revision: 900_000_000}
	if out := s.e.Adopt("p", "s", wrong, s.now); out != nil {
		t.Error("said at once:", words(out))
	}
	s.advance(2799, "")
	s.now = day0 + 2800
	out := s.e.Advance(s.now)
	if words(out) != "rage_click/click@200/0 retracted" || out[0].SignalId != wrong.SignalId || out[0].Revision <= wrong.Revision {
		t.Errorf("took back %v", out)
	}
}

func TestCentreLeavesAloneWhatItHasNotSeen(t *testing.T) {
	s := newStream(t, Default())
	s.at(60_000, clickAt(60_000, 9, 9, button), "")
	s.e.Adopt("p", "s", &gosight.Signal{SignalId: "x", Kind: DeadClick, Timestamp: day0, FirstEventId: "gone"}, s.now)
	s.advance(300_000, "")
}

func TestCentreKeepsWhatItFindsToo(t *testing.T) {
	s := newStream(t, Default())
	s.at(0, clickAt(0, 9, 9, div), "")
	s.e.Adopt("p", "s", &gosight.Signal{SignalId: SignalID("p", "s", DeadClick, "click@0"), Kind: DeadClick, Timestamp: day0,
		FirstEventId: "click@0"}, s.now+10)
	s.advance(2500, "dead_click/click@0/0 retracted") // the grace is over before the deadline
	s.advance(3001, "dead_click/click@0/1 final")
}

// An edge that saw only the first and the last of a visitor's turns names one long turn after the first, which the
// centre found, said and forgot half a minute ago.
func TestCentreKeepsWhatItFoundLongAgo(t *testing.T) {
	s := newStream(t, Default())
	s.at(0, nav(0, "/a", "/b", "push"), "")
	s.at(10, nav(10, "/b", "/a", "push"), "u_turn/navigate@0/2 final")
	s.at(29_000, nav(29_000, "/a", "/b", "push"), "")
	s.at(29_010, nav(29_010, "/b", "/a", "push"), "u_turn/navigate@29000/2 final")
	s.e.Adopt("p", "s", &gosight.Signal{SignalId: SignalID("p", "s", UTurn, "navigate@0"), Kind: UTurn, Timestamp: day0,
		FirstEventId: "navigate@0", Count: 2, DurationMs: 29_010}, s.now)
	s.advance(40_000, "")
	s.advance(120_000, "")
}

// What it remembers of what it said is bounded; of what began before, it then takes nothing back.
func TestCentreForgetsAndThenDoesNotJudge(t *testing.T) {
	s := newStream(t, Default())
	const turns = maxSpoken + 10
	for i := int64(0); i < turns; i++ {
		s.at(i*200, nav(i*200, "/a", "/b", "push"), "")
		s.at(i*200+10, nav(i*200+10, "/b", "/a", "push"), fmt.Sprintf("u_turn/navigate@%d/2 final", i*200))
	}
	s.at(60_000, clickAt(60_000, 9, 9, button), "")
	if n := len(s.e.session("p", "s").spoken); n != maxSpoken {
		t.Errorf("%d are remembered", n)
	}
	s.e.Adopt("p", "s", &gosight.Signal{SignalId: SignalID("p", "s", UTurn, "navigate@0"), Kind: UTurn, Timestamp: day0,
		FirstEventId: "navigate@0", Count: 2, DurationMs: 59_000}, s.now)
	s.advance(300_000, "")
}

func TestWarmIsSilentAboutWhatBeginsBefore(t *testing.T) {
	s := newStream(t, Default())
	s.e.Warm(day0 + 100)
	s.at(0, clickAt(0, 9, 9, button), "")
	s.at(50, clickAt(200, 600, 9, button), "")
	s.at(3000, outcomeOf(2500, 0, "none", 2500), "")
	s.at(3000, outcomeOf(2700, 200, "none", 2500), "unresponsive_click/click@200/1 final")
}

func TestALaterPassWins(t *testing.T) {
	play := func(from int64) uint32 {
		e := engineWith(Default())
		var last uint32
		for _, ev := range burstOf(6, 200, "") {
			for _, sig := range e.Observe("p", "s", []Event{ev}, ev.TS+from) {
				last = sig.Revision
			}
		}
		for _, sig := range e.Advance(day0 + from + 10_000) {
			last = sig.Revision
		}
		return last
	}
	if before, after := play(0), play(30_000); after <= before {
		t.Errorf("revision %d after a restart, %d before", after, before)
	}
}

func TestTooManySessionsConcludeTheOldest(t *testing.T) {
	cfg := Default()
	cfg.MaxSessions = 2
	e := engineWith(cfg)
	observe := func(session string, ev Event) string { return words(e.Observe("p", session, []Event{ev}, ev.TS)) }
	for _, ev := range burstOf(6, 100, "") {
		observe("a", ev)
	}
	observe("b", clickAt(600, 1, 1, ""))
	if got := observe("c", clickAt(700, 1, 1, "")); got != "rage_click/click@0/6 final" {
		t.Errorf("said %q", got)
	}
	if st := e.Stats(); st.Evicted != 1 || st.Sessions != 2 {
		t.Errorf("stats are %+v", st)
	}
}

func TestValidate(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"idle below lateness":  func(c *Config) { c.IdleMS = 1 },
		"no sessions":          func(c *Config) { c.MaxSessions = 0 },
		"one click":            func(c *Config) { c.Rage.Clicks = 1 },
		"deadline too early":   func(c *Config) { c.Dead.DeadlineMS = 100 },
		"override of a string": func(c *Config) { c.Projects = map[string]Override{"p": Override(`{"rage":{"clicks":"x"}}`)} },
		"override misspelt":    func(c *Config) { c.Projects = map[string]Override{"p": Override(`{"rage":{"click":7}}`)} },
		"override of zero":     func(c *Config) { c.Projects = map[string]Override{"p": Override(`{"thrash":{"window_ms":0}}`)} },
	} {
		cfg := Default()
		spoil(&cfg)
		if cfg.Validate() == nil {
			t.Error(name, "is taken")
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestFromBatch(t *testing.T) {
	batch := &gosight.Batch{Metadata: map[string]string{"url": "http://shared/", "page_id": "p1"}, Events: []*gosight.Event{
		{EventId: "e", EventType: "click", Timestamp: 7, Payload: `{}`, Metadata: map[string]string{"url": "http://own/"}},
		{EventType: "mutation", Payload: `{}`},
		{EventId: "s", EventType: "scroll", Timestamp: 8},
	}}
	want := []Event{
		{ID: "e", Type: "click", TS: 7, URL: "http://own/", PageID: "p1", Payload: "{}"},
		{ID: "s", Type: "scroll", TS: 8, URL: "http://shared/", PageID: "p1"},
	}
	if got := FromBatch(nil, batch); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// A session that sends without end stays within its bounds.
func TestFloodIsBounded(t *testing.T) {
	e := engineWith(Default())
	for i := range int64(5_000) {
		ev := clickAt(i/5, int(i%7)*100, 100, div)
		ev.ID = fmt.Sprint("c", i)
		e.Observe("p", "s", []Event{ev}, ev.TS)
	}
	s := e.session("p", "s")
	if len(s.window.buf) > maxWindow || len(s.window.rich) > maxRich || len(s.claims) > 4*maxRich {
		t.Errorf("%d bytes, %d clicks, %d claims are held", len(s.window.buf), len(s.window.rich), len(s.claims))
	}
}

// TestWindowKeepsNoEventBytes: events may lie in a buffer that is used again.
func TestWindowKeepsNoEventBytes(t *testing.T) {
	raw := []byte("c1")
	var w window
	e := evidence{ts: 1, typ: click, id: unsafe.String(unsafe.SliceData(raw), len(raw)), page: &page{}}
	e.page.url = e.id
	w.insert(&e)
	copy(raw, "xx")
	if kept := w.rich[0]; kept.id != "c1" || kept.page.url != "c1" {
		t.Fatalf("the window has id %q, URL %q", kept.id, kept.page.url)
	}
}
