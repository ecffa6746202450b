package detect

import (
	"github.com/gosight/gosight/proto/gen/gosight"
	"google.golang.org/protobuf/proto"
)

// say compares what a session's claims are with what was said of them, and says the difference. A signal is
// said when it is found, when it is over (and again if its numbers change after that), and when it is lost;
// not for every click in between.
func (e *Engine) say(s *session, now int64, out []Signal) []Signal {
	for _, c := range s.claims {
		if !c.news && (c.judge == 0 || c.judge > now) {
			continue
		}
		c.news = false
		var sig *gosight.Signal
		switch {
		case c.current != nil:
			c.judge = 0
			if c.said != nil && !c.said.Retracted && !c.current.final {
				continue
			}
			sig = c.current.signal(s)
			if c.said != nil && !c.said.Retracted && same(c.said, sig) {
				continue
			}
		case c.said != nil && !c.said.Retracted:
			c.judge = 0
			sig = retraction(c.said)
		case c.judge != 0 && c.judge <= now:
			c.judge = 0
			if c.said != nil || !s.judges(c.heard) {
				continue // known to be lost, or not ours to judge
			}
			sig = retraction(c.heard)
		default:
			continue
		}
		sig.Revision = revision(c.said, c.heard, now)
		c.said = sig
		if sig.Timestamp < e.warm {
			continue
		}
		out = append(out, Signal{s.project.name, s.id, proto.CloneOf(sig)})
	}
	return out
}

// epoch is 1 January 2026, Unix ms.
const epoch = 1767225600000

// revision grows with each statement, and with host time: tenths of a second since 2026. So a later pass over
// the same events, after a restart or elsewhere, wins over what an earlier one said though it counts anew.
func revision(said, heard *gosight.Signal, now int64) uint32 {
	rev := uint32(max(1, (now-epoch)/100))
	for _, old := range [...]*gosight.Signal{said, heard} {
		if old != nil {
			rev = max(rev, old.Revision+1)
		}
	}
	return rev
}

func (f *finding) signal(s *session) *gosight.Signal {
	url := f.url
	if url == "" {
		url = f.first.page.url
	}
	var selector, text string
	if f.first.typ == click {
		selector, text = f.first.ref, f.first.text
	}
	return &gosight.Signal{
		SignalId: SignalID(s.project.name, s.id, f.kind, f.first.id), Kind: f.kind, Timestamp: f.first.ts,
		Url: url, PageId: f.first.page.id, Selector: selector, Text: text,
		X: f.x, Y: f.y, Count: uint32(f.count), DurationMs: uint32(max(0, f.durationMS)),
		Final: f.final, FirstEventId: f.first.id,
	}
}

// same says whether nothing that a reader sees has changed.
func same(a, b *gosight.Signal) bool {
	return a.Count == b.Count && a.DurationMs == b.DurationMs && a.X == b.X && a.Y == b.Y && a.Final == b.Final &&
		a.Url == b.Url && a.Timestamp == b.Timestamp
}

func retraction(of *gosight.Signal) *gosight.Signal {
	sig := proto.CloneOf(of)
	sig.Retracted, sig.Final = true, true
	return sig
}
