package detect

import "slices"

// unanswered finds dead_click and unresponsive_click: clicks that nothing answered, on elements that take no
// clicks and on those that do. Repeated clicks on one place are one question, and an answer to any of them in
// time answers it.
//
// A click_outcome decides at once. Without one, the deadline decides, for elements known to take no clicks,
// from the events after the click; an outcome that comes even later still corrects that.
type unanswered struct {
	asked  []question  // by when they were last asked
	before []happening // the latest requests: what was going on before a click does not answer it
	next   int64       // no timer is due before
	over   int         // how many of asked, from the front, nothing can change any more
}

type question struct {
	first   *evidence
	again   []*evidence // repeated clicks, at most maxAgain; count has them all
	last    int64
	count   int32
	said    verdict
	none    bool // an outcome says that nothing answered
	answer  bool // an outcome says that something did
	stirred bool // without outcome: something happened after it
	late    bool // the deadline is over
	ended   bool // no repetition can follow
}

type happening struct {
	ts   int64
	what uint64
}

const (
	maxAgain  = 8
	maxAsked  = 64
	maxBefore = 4
)

func (u *unanswered) step(r *Rules, e *evidence, out findings) {
	u.forget(r, e.ts)
	switch e.typ {
	case click:
		if e.marks&otherButton != 0 {
			return
		}
		u.ask(r, e, out)
	case outcome:
		u.hear(r, e, out)
	case network:
		u.stir(e, r.Dead.AnswerMS, r.Dead.AmbientMS)
		if len(u.before) == maxBefore {
			u.before = slices.Delete(u.before, 0, 1)
		}
		u.before = append(u.before, happening{e.ts, e.what})
	case scroll:
		u.stir(e, r.Dead.ScrollingMS, 0)
	default:
		u.stir(e, r.Dead.AnswerMS, 0)
	}
}

func (u *unanswered) ask(r *Rules, e *evidence, out findings) {
	again := -1 // the first one that it repeats
	for i := len(u.asked) - 1; i >= 0 && e.ts-u.asked[i].last <= r.Dead.RepeatMS; i-- {
		if near(u.asked[i].first, e, r.Dead.RepeatPX) && (again < 0 || u.asked[i].first.before(u.asked[again].first.ts, click, u.asked[again].first.sum)) {
			again = i
		}
	}
	if again >= 0 {
		q := u.asked[again]
		copy(u.asked[again:], u.asked[again+1:])
		q.count++
		q.last = e.ts
		if len(q.again) < maxAgain {
			q.again = append(q.again, e)
		}
		q.decide(r, e.ts, out)
		u.asked[len(u.asked)-1] = q
		u.plan(r, &q)
		return
	}
	if len(u.asked) == maxAsked {
		u.asked, u.over = slices.Delete(u.asked, 0, max(1, u.over)), 0
	}
	q := question{first: e, count: 1, last: e.ts}
	u.asked = append(u.asked, q)
	u.plan(r, &q)
}

func (u *unanswered) hear(r *Rules, e *evidence, out findings) {
	for i := len(u.asked) - 1; i >= 0; i-- {
		q := &u.asked[i]
		asked := q.first
		if q.first.sum != e.what {
			k := slices.IndexFunc(q.again, func(c *evidence) bool { return c.sum == e.what })
			if k < 0 {
				continue
			}
			asked = q.again[k]
		}
		if e.ts-asked.ts > r.Dead.OutcomeMS {
			return
		}
		inTime := asked.ts+int64(e.x)-q.first.ts <= r.Dead.AnswerMS
		switch {
		case e.marks&answered != 0 && inTime:
			q.answer = true
		case e.marks&answered == 0 || asked == q.first:
			q.none = true
		}
		q.decide(r, e.ts, out)
		u.plan(r, q)
		return
	}
}

// stir notes that something happened within a time after a click, unless the like of it happened within another
// before it.
func (u *unanswered) stir(e *evidence, within, ambient int64) {
	for i := len(u.asked) - 1; i >= 0 && e.ts-u.asked[i].last <= within; i-- {
		q := &u.asked[i]
		if e.ts <= q.first.ts || e.ts-q.first.ts > within {
			continue
		}
		if ambient > 0 && slices.ContainsFunc(u.before, func(h happening) bool {
			return h.what == e.what && h.ts <= q.first.ts && h.ts >= q.first.ts-ambient
		}) {
			continue
		}
		q.stirred = true
	}
}

// verdict is what a question is by now.
type verdict uint8

const (
	open verdict = iota // or answered
	dead
	unresponsive
)

func (v verdict) kind() string {
	if v == dead {
		return DeadClick
	}
	return UnresponsiveClick
}

func (q *question) verdict() verdict {
	marks := q.first.marks
	switch {
	case q.answer || marks&noDead != 0:
		return open
	case q.none && marks&active == 0:
		return dead
	case q.none && marks&leaves == 0:
		return unresponsive
	case !q.none && q.late && marks&inert != 0 && !q.stirred:
		return dead
	}
	return open
}

func (q *question) decide(r *Rules, t int64, out findings) {
	q.ended = q.last+r.Dead.RepeatMS < t
	now := q.verdict()
	if q.said != open && q.said != now {
		out.lost(q.said.kind(), q.first)
	}
	q.said = now
	if now == open {
		return
	}
	out.found(finding{
		kind: now.kind(), first: q.first, x: float64(q.first.x), y: float64(q.first.y), count: int(q.count),
		durationMS: q.last - q.first.ts, final: q.ended,
	})
}

// forget drops the oldest questions, as far as nothing can change them any more: not one by one, since all others
// are moved then. That some are kept for a while is not to be noticed.
func (u *unanswered) forget(r *Rules, now int64) {
	for u.over < len(u.asked) && u.asked[u.over].over(r, now) {
		u.over++
	}
	switch {
	case u.over == len(u.asked):
		u.asked, u.over = nil, 0
	case u.over > len(u.asked)/4:
		u.asked, u.over = slices.Delete(u.asked, 0, u.over), 0
	}
}

func (q *question) over(r *Rules, now int64) bool {
	return q.last < now-r.Dead.RepeatMS && (q.answer || q.last < now-r.Dead.OutcomeMS)
}

// waits says whether the deadline may still make a signal of it.
func (q *question) waits() bool {
	return !q.late && !q.none && !q.answer && !q.stirred && q.first.marks&(inert|noDead) == inert
}

// plan sees to it that a question's timer is run.
func (u *unanswered) plan(r *Rules, q *question) {
	if len(u.asked) == 1 {
		u.next = never
	}
	if q.waits() {
		u.next = min(u.next, q.first.ts+r.Dead.DeadlineMS)
	}
	if q.said != open && !q.ended {
		u.next = min(u.next, q.last+r.Dead.RepeatMS)
	}
}

func (u *unanswered) due(*Rules) int64 {
	if len(u.asked) == 0 {
		return never
	}
	return u.next
}

func (u *unanswered) tick(r *Rules, t int64, out findings) {
	for i := u.over; i < len(u.asked); i++ {
		q := &u.asked[i]
		late, ended := q.first.ts+r.Dead.DeadlineMS < t, q.last+r.Dead.RepeatMS < t
		if late != q.late || ended != q.ended {
			q.late = late
			q.decide(r, t, out)
		}
	}
	u.forget(r, t)
	if n := len(u.before); n > 0 && len(u.asked) == 0 && u.before[n-1].ts < t-r.Dead.AmbientMS {
		u.before = nil
	}
	u.next = never
	for i := u.over; i < len(u.asked); i++ {
		u.plan(r, &u.asked[i])
	}
}

func (u *unanswered) blank() bool { return len(u.asked) == 0 && len(u.before) == 0 }

func (u *unanswered) copy() detector {
	c := *u
	c.before = slices.Clone(u.before)
	c.asked = slices.Clone(u.asked)
	for i := range c.asked {
		c.asked[i].again = slices.Clone(c.asked[i].again)
	}
	return &c
}
