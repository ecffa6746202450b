// Package detect finds what frustrates people in the events of their visits: rage clicks, dead clicks, thrashed
// cursors and more. It is pure: events and the time go in, signals come out. The agent runs it over what it
// sees, the aggregator over the merged stream, and DESIGN.md beside this file says why both agree in the end.
package detect

import (
	"container/heap"
	"strings"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Engine runs every detector over many sessions. It is not safe for concurrent use: run one for each shard of
// sessions.
type Engine struct {
	live     *Live
	in       *inForce
	projects map[string]*project
	recent   session // ring of sessions in order of use, begins and ends here
	queue    wakeQueue
	warm     int64
	stats    Stats
	scratch  evidence // the event that is observed
	work     workspace
	points   []byte // of a pointer event
	page     page
}

// project has the sessions of one project that are followed, at least one.
type project struct {
	name     string
	rules    *Rules
	sessions map[string]*session
}

// Stats counts what the engine did not use, since it was made.
type Stats struct {
	Late      uint64 // events older than the lateness allows
	Malformed uint64 // events whose payload lacks what their type needs
	Repeated  uint64 // events seen before
	Evicted   uint64 // sessions concluded early because there were too many
	Sessions  int    // followed now
}

// New makes an engine that works by the rules of live.
func New(live *Live) *Engine {
	e := &Engine{live: live, in: live.current.Load(), projects: map[string]*project{}, warm: early}
	e.recent.newer, e.recent.older = &e.recent, &e.recent
	return e
}

// follow takes over rules that have changed. Sessions keep what they have seen.
func (e *Engine) follow() {
	now := e.live.current.Load()
	if now == e.in {
		return
	}
	e.in = now
	for name, p := range e.projects {
		p.rules = now.rules(name)
	}
}

// Stats returns the counts so far.
func (e *Engine) Stats() Stats {
	e.stats.Sessions = len(e.queue)
	return e.stats
}

// Warm silences signals that begin before a time, Unix ms, while their events are followed all the same. An
// aggregator that reads again from some point of the log has not seen what came before: signals that begin
// within a minute after that point were said by its predecessor, which knew more.
func (e *Engine) Warm(until int64) { e.warm = until }

// Observe takes events of a session that came together, in any order; now is the host's time, Unix ms. It returns
// what is new, revised or retracted once all of them are seen, mostly nothing.
func (e *Engine) Observe(project, sessionID string, events []Event, now int64) (out []Signal) {
	e.follow()
	s := e.session(project, sessionID)
	news := false
	for i := range events {
		ev := &events[i]
		typ := typeOf(ev.Type)
		if typ == irrelevant {
			continue
		}
		if s != nil && ev.TS < s.floor {
			e.stats.Late++
			s.whole = max(s.whole, ev.TS+1)
			continue
		}
		if !e.scratch.read(typ, ev, &e.points) {
			e.stats.Malformed++
			continue
		}
		e.page = page{cut(ev.URL, maxURL), cut(ev.PageID, maxID)}
		e.scratch.page = &e.page
		if s == nil {
			s, out = e.open(project, sessionID, now)
		}
		if !s.observe(&e.scratch, &e.work, e.in.LatenessMS, now) {
			e.stats.Repeated++
			continue
		}
		news = true
	}
	e.scratch, e.page = evidence{}, page{} // the events' memory is not ours to keep
	if news {
		out = e.say(s, now, out)
		e.used(s)
		e.schedule(s)
	}
	return out
}

// Adopt tells the engine what another pass said of a session: the edge's signals of a batch, after the batch's
// events were observed, or after a restart what the store holds. Where this engine has seen the signal's first
// event, or everything around it, and does not find the signal too within Config.AdoptMS, it takes it back. The
// engine keeps sig.
func (e *Engine) Adopt(project, sessionID string, sig *gosight.Signal, now int64) []Signal {
	e.follow()
	s := e.session(project, sessionID)
	var out []Signal
	if s == nil {
		s, out = e.open(project, sessionID, now)
	}
	s.hear(sig, now+e.in.AdoptMS)
	e.schedule(s)
	return out
}

// Advance lets host time pass: bursts end, clicks that nothing answered fall due, idle sessions are concluded.
// Call it a few times a second; it costs nothing for sessions where nothing is due.
func (e *Engine) Advance(now int64) []Signal {
	e.follow()
	var out []Signal
	for len(e.queue) > 0 && e.queue[0].wake <= now {
		s := e.queue[0]
		for i := range s.tracks {
			s.tick(i, now, &e.work)
		}
		if now-s.lastAt >= e.in.IdleMS {
			out = e.conclude(s, now, out)
			continue
		}
		if !s.resting() && now-s.lastAt >= e.in.LatenessMS+settleMS {
			s.rest(&e.work)
		}
		out = e.say(s, now, out)
		s.wake = max(s.due(&e.in.Config), now+1)
		heap.Fix(&e.queue, int(s.place))
	}
	return out
}

// session finds one, nil where it is not followed. A batch is of one session: it is mostly the one before.
func (e *Engine) session(project, id string) *session {
	if s := e.recent.older; s != &e.recent && s.id == id && s.project.name == project {
		return s
	}
	if p := e.projects[project]; p != nil {
		return p.sessions[id]
	}
	return nil
}

func (e *Engine) open(projectName, id string, now int64) (s *session, out []Signal) {
	for len(e.queue) >= e.in.MaxSessions {
		out = e.conclude(e.recent.newer, now, out) // the least recent
		e.stats.Evicted++
	}
	p := e.projects[projectName]
	if p == nil {
		p = &project{strings.Clone(projectName), e.in.rules(projectName), map[string]*session{}}
		e.projects[p.name] = p
	}
	s = newSession(p, strings.Clone(id))
	s.lastAt = now
	s.wake = now + e.in.IdleMS
	p.sessions[s.id] = s
	e.used(s)
	heap.Push(&e.queue, s)
	return s, out
}

func (e *Engine) conclude(s *session, now int64, out []Signal) []Signal {
	heap.Remove(&e.queue, int(s.place))
	delete(s.project.sessions, s.id)
	if len(s.project.sessions) == 0 {
		delete(e.projects, s.project.name)
	}
	s.newer.older, s.older.newer = s.older, s.newer
	s.conclude(&e.work)
	for _, c := range s.claims {
		if c.judge != 0 {
			c.judge = now
		}
	}
	return e.say(s, now, out)
}

// used makes a session the most recent one.
func (e *Engine) used(s *session) {
	if s == e.recent.older {
		return
	}
	if s.newer != nil {
		s.newer.older, s.older.newer = s.older, s.newer
	}
	s.newer, s.older = &e.recent, e.recent.older
	s.older.newer, e.recent.older = s, s
}

// schedule lets the session wake earlier; that it need not wake so early is found out when it does.
func (e *Engine) schedule(s *session) {
	if due := s.due(&e.in.Config); due < s.wake {
		s.wake = due
		heap.Fix(&e.queue, int(s.place))
	}
}

// wakeQueue has the session first that must be looked at next.
type wakeQueue []*session

func (q wakeQueue) Len() int           { return len(q) }
func (q wakeQueue) Less(i, j int) bool { return q[i].wake < q[j].wake }
func (q wakeQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = int32(i), int32(j)
}
func (q *wakeQueue) Push(s any) {
	s.(*session).place = int32(len(*q))
	*q = append(*q, s.(*session))
}
func (q *wakeQueue) Pop() any {
	s := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	return s
}
