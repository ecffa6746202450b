package detect

import (
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// session follows one visit. For each detector it runs two copies over the same evidence: the settled one is
// behind by the lateness, so that it sees evidence in its final order; the head is ahead, with all that has
// come so far. What the head finds is said at once. Evidence that comes late only makes a new head: a copy of
// the settled one that sees the window again. What is then found differently is said again, or taken back.
type session struct {
	project *project
	id      string
	window  window
	tracks  [len(detectors)]track
	*ledger

	whole   int64 // event time from which on no evidence is missing, because it came too late or before this began
	clock   int64 // event time: the latest timestamp
	clockAt int64 // host time when that came
	floor   int64 // event time before which evidence is too late
	lastAt  int64 // host time of the last evidence
	wake    int64 // host time for which it stands in the engine's queue
	place   int32 // there
	debt    int32 // steps that replays took, less what each event may take

	newer, older *session // in order of use
}

// track is a detector at its two places in time. Where head is nil it is in the state of settled, and where both
// are it has seen nothing.
type track struct {
	settled, head detector
	// seen is the timestamp of the last evidence that the head has seen, or of the latest timer that it ran
	// because host time passed: evidence after that is in order.
	seen int64
}

// ledger holds what a session found and said. Most sessions find nothing and share an empty one.
type ledger struct {
	claims []*claim
	spoken []uint64 // identities of forgotten claims on which something was said, oldest first
}

var emptyLedger ledger

// enter adds a claim.
func (s *session) enter(c *claim) {
	if s.ledger == &emptyLedger {
		s.ledger = &ledger{}
	}
	s.claims = append(s.claims, c)
}

// claim is a finding, as the two copies of its detector have it, and what was said of it.
type claim struct {
	detector int
	kind     string
	sum      uint64 // of the first event
	since    int64  // its timestamp
	settled  *finding
	current  *finding // nil: not a signal
	said     *gosight.Signal
	heard    *gosight.Signal // what another pass said
	news     bool            // since it was last compared
	judge    int64           // host time by which it must be found here too; 0: judged, or nothing heard
}

const (
	early = -1 << 62 // before any timestamp
	// correctable is how long after a finding's end its detector may still change it, ms of event time, besides
	// the time that rules set.
	correctable = 5000
	// maxSpoken is how many such identities a session keeps, at 8 bytes. An edge that saw a part of the visit can
	// name a signal that ended here long ago, and say that it lasts.
	maxSpoken = 64
	// settleMS is how much more than needed the window may hold, so that it is emptied in larger portions.
	settleMS = 1000
	// A session whose every event is late takes no more steps than these for an event in the long run: then its
	// lateness is cut.
	stepsPerEvent = 64
	maxDebt       = 1 << 18
)

func newSession(p *project, id string) *session {
	return &session{project: p, id: id, ledger: &emptyLedger, whole: never, clock: early, floor: early}
}

// observe takes evidence that is not too late. It reports false where the session has it already.
func (s *session) observe(e *evidence, w *workspace, latenessMS, now int64) bool {
	r, fresh, moved := s.window.insert(e)
	if !fresh && !moved {
		return false
	}
	s.lastAt = now
	if s.whole == never {
		s.whole = r.ts - latenessMS
	}
	if r.ts > s.clock {
		s.clock, s.clockAt = r.ts, now
	}
	var again [len(detectors)]bool
	for i := range detectors {
		if !detectors[i].wants.has(r.typ) {
			continue
		}
		t := &s.tracks[i]
		if moved || t.head == nil || r.ts <= t.seen {
			again[i] = true
			continue
		}
		step(s.project.rules, t.head, s.window.read(r, &w.room), w.ahead(s, i))
		t.seen = r.ts
	}
	s.floor = max(s.floor, s.clock-latenessMS)
	s.debt = max(0, s.debt-stepsPerEvent)
	crowded := len(s.window.buf) > maxWindow || len(s.window.rich) > maxRich || s.debt > maxDebt
	if crowded {
		s.floor, s.debt = max(s.floor, s.window.middle()+1), 0
	}
	if crowded || s.window.oldest() < s.floor-settleMS {
		s.settle(w)
	}
	for i, replay := range again {
		if replay {
			s.replay(i, now, w)
		}
	}
	return true
}

// step lets a detector see evidence, after the timers that are due before it.
func step(r *Rules, d detector, e *evidence, out findings) {
	if d.due(r) < e.ts {
		d.tick(r, e.ts, out)
	}
	d.step(r, e, out)
}

// settle moves what can no longer be preceded by anything from the window into the settled detectors.
func (s *session) settle(w *workspace) {
	s.window.fold(s.floor, &w.room, func(e *evidence) {
		for i := range detectors {
			if !detectors[i].wants.has(e.typ) {
				continue
			}
			t := &s.tracks[i]
			if t.settled == nil {
				t.settled = detectors[i].make()
			}
			step(s.project.rules, t.settled, e, w.behind(s, i))
		}
	})
	for i := range s.tracks {
		t := &s.tracks[i]
		if t.settled != nil {
			t.settled.tick(s.project.rules, s.floor, w.behind(s, i))
			if t.settled.blank() {
				t.settled = nil
			}
		}
		if t.head != nil && t.seen < s.floor && t.head.due(s.project.rules) == never {
			t.head = nil // both have seen the same
		}
	}
	if len(s.claims) > 0 {
		s.claims = slices.DeleteFunc(s.claims, func(c *claim) bool {
			over := !c.news && c.judge == 0 && c.until() < s.settled()
			if over && c.said != nil {
				s.remember(c)
			}
			return over
		})
	}
}

// remember notes that this pass has said its word on a claim.
func (s *session) remember(c *claim) {
	if len(s.spoken) == maxSpoken {
		s.spoken = slices.Delete(s.spoken, 0, 1)
		s.whole = max(s.whole, s.settled()) // on what began before, its word may be forgotten
	}
	s.spoken = append(s.spoken, identity(c.kind, c.sum))
}

// identity is that of a finding within its session.
func identity(kind string, sum uint64) uint64 { return xxhash.Sum64String(kind) ^ sum }

// rest settles everything, when nothing came for longer than evidence may be late, and so holds one state of each
// detector and no window.
func (s *session) rest(w *workspace) {
	s.floor = s.clock + 1
	s.settle(w)
	s.window = window{}
}

// resting says whether nothing came since the last rest.
func (s *session) resting() bool { return s.window.buf == nil }

// settled is the event time before whose claims nothing changes any more, and they are forgotten.
func (s *session) settled() int64 { return s.floor - correctable - s.project.rules.Dead.OutcomeMS }

// judges says whether the session has seen enough to take back what another pass heard: the first event
// itself, or everything around it.
func (s *session) judges(sig *gosight.Signal) bool {
	if s.window.has(xxhash.Sum64String(sig.FirstEventId)) {
		return true
	}
	return s.whole <= sig.Timestamp && sig.Timestamp+int64(sig.DurationMs) >= s.settled()
}

// replay makes a new head.
func (s *session) replay(i int, now int64, w *workspace) {
	t := &s.tracks[i]
	if t.settled == nil {
		t.head = detectors[i].make()
	} else {
		t.head = t.settled.copy()
	}
	for _, c := range s.claims {
		if c.detector == i {
			c.current, c.news = c.settled, true
		}
	}
	s.window.each(detectors[i].wants, &w.room, func(e *evidence) {
		step(s.project.rules, t.head, e, w.ahead(s, i))
		t.seen = e.ts
		s.debt++
	})
	s.tick(i, now, w)
}

// tick runs the timers of a head that host time has reached: event time is taken to go on from the latest
// timestamp.
func (s *session) tick(i int, now int64, w *workspace) {
	t := &s.tracks[i]
	if t.head == nil {
		return
	}
	reached := s.clock + max(0, now-s.clockAt)
	for due := t.head.due(s.project.rules); due < reached; due = t.head.due(s.project.rules) {
		t.head.tick(s.project.rules, due+1, w.ahead(s, i))
		t.seen = max(t.seen, due)
	}
}

// conclude runs every timer that is left: nothing more is expected.
func (s *session) conclude(w *workspace) {
	for i := range s.tracks {
		if d := s.tracks[i].head; d != nil {
			d.tick(s.project.rules, never, w.ahead(s, i))
		}
	}
}

// due is the host time at which the session must be looked at again.
func (s *session) due(cfg *Config) int64 {
	at := s.lastAt + cfg.IdleMS
	if !s.resting() {
		at = min(at, s.lastAt+cfg.LatenessMS+settleMS)
	}
	for i := range s.tracks {
		d := s.tracks[i].head
		if d == nil {
			continue
		}
		if due := d.due(s.project.rules); due != never {
			at = min(at, s.clockAt+due+1-s.clock)
		}
	}
	for _, c := range s.claims {
		if c.judge != 0 {
			at = min(at, c.judge)
		}
	}
	return at
}

// hear takes note of what another pass said.
func (s *session) hear(sig *gosight.Signal, judge int64) {
	sum := xxhash.Sum64String(sig.FirstEventId)
	c := s.claim(sig.Kind, sum)
	if c == nil {
		if sig.Retracted || slices.Contains(s.spoken, identity(sig.Kind, sum)) {
			return // nothing to judge: our word, if any, stands over an edge's
		}
		c = &claim{detector: -1, kind: sig.Kind, sum: sum, since: sig.Timestamp}
		s.enter(c)
	}
	c.heard = sig
	if c.current == nil && c.said == nil {
		c.judge = judge
	}
}

func (s *session) claim(kind string, sum uint64) *claim {
	for _, c := range s.claims {
		if c.kind == kind && c.sum == sum {
			return c
		}
	}
	return nil
}

// claimOf finds or makes the claim of a finding.
func (s *session) claimOf(detector int, f *finding) *claim {
	c := s.claim(f.kind, f.first.sum)
	if c == nil {
		c = &claim{kind: f.kind, sum: f.first.sum, since: f.first.ts}
		s.enter(c)
	}
	c.detector = detector
	return c
}

func (c *claim) until() int64 {
	if c.current != nil {
		return c.since + c.current.durationMS
	}
	return c.since
}

// workspace is what one engine's sessions use in turn.
type workspace struct {
	room      evidence // for what a window lends
	inFront   ahead
	inArrears behind
}

func (w *workspace) ahead(s *session, detector int) findings {
	w.inFront = ahead{s, detector}
	return &w.inFront
}

func (w *workspace) behind(s *session, detector int) findings {
	w.inArrears = behind{s, detector}
	return &w.inArrears
}

// ahead takes what a head finds, behind what a settled detector finds.
type ahead struct {
	*session
	detector int
}

type behind ahead

func (a *ahead) found(f finding) {
	c := a.claimOf(a.detector, &f)
	c.current, c.news = &f, true
}

func (a *ahead) lost(kind string, first *evidence) {
	if c := a.claim(kind, first.sum); c != nil {
		c.current, c.news = nil, true
	}
}

func (b *behind) found(f finding) { b.claimOf(b.detector, &f).settled = &f }

func (b *behind) lost(kind string, first *evidence) {
	if c := b.claim(kind, first.sum); c != nil {
		c.settled = nil
	}
}
