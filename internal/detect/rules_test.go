package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// at is an event at a time within a test's visit, ms.
func at(ms int64, typ, payload string) Event {
	return Event{ID: fmt.Sprintf("%s@%d", typ, ms), Type: typ, TS: 1_800_000_000_000 + ms, URL: "http://shop/", PageID: "p", Payload: payload}
}

func clickAt(ms int64, x, y int, fields string) Event {
	return at(ms, "click", fmt.Sprintf(`{"x":%d,"y":%d%s}`, x, y, fields))
}

func outcomeOf(ms, click int64, kind string, after int) Event {
	return at(ms, "click_outcome", fmt.Sprintf(`{"click_id":"click@%d","kind":%q,"after_ms":%d}`, click, kind, after))
}

// burstOf makes n clicks, gap ms apart.
func burstOf(n int, gap int64, fields string) (events []Event) {
	for i := range int64(n) {
		events = append(events, clickAt(i*gap, 100, 100, fields))
	}
	return events
}

// selecting is a click with an outcome that says it selected text.
func selecting(ms int64) []Event {
	return []Event{clickAt(ms, 100, 100, ""), outcomeOf(ms+10, ms, "selection", 5)}
}

func path(ms int64, points ...[2]int) Event {
	var b strings.Builder
	for i, p := range points {
		fmt.Fprintf(&b, ",[%d,%d,%d]", i*100, p[0], p[1])
	}
	return at(ms, "pointer", `{"points":[`+b.String()[1:]+`]}`)
}

func zigzag(ms int64, n, swing, drift int) Event {
	var points [][2]int
	for i := range n {
		points = append(points, [2]int{400 + i%2*swing + i*drift, 300})
	}
	return path(ms, points...)
}

func scrollAt(ms int64, y int) Event {
	return at(ms, "scroll", fmt.Sprintf(`{"depth":10,"y":%d,"page_height":2000}`, y))
}

func nav(ms int64, from, to, kind string) Event {
	return at(ms, "navigate", fmt.Sprintf(`{"from":%q,"to":%q,"kind":%q}`, from, to, kind))
}

func page_(ms int64, typ, url string) Event { return at(ms, typ, fmt.Sprintf(`{"url":%q}`, url)) }

const (
	div    = `,"tag":"div","interactive":false`
	button = `,"tag":"button","interactive":true`
)

func TestRules(t *testing.T) {
	a, b, c := "http://shop/a", "http://shop/b", "http://shop/c"
	for name, test := range map[string]struct {
		events []Event
		want   string // kind and count of each signal, sorted
	}{
		"rage: six clicks in 2,000 ms":            {burstOf(6, 400, ""), "rage_click 6"},
		"rage: six clicks in 2,005 ms":            {burstOf(6, 401, ""), ""},
		"rage: five clicks":                       {burstOf(5, 100, ""), ""},
		"rage: a burst goes on":                   {burstOf(30, 300, ""), "rage_click 30"},
		"rage: two bursts":                        {slices.Concat(burstOf(6, 200, ""), shift(burstOf(7, 200, ""), 3500)), "rage_click 6, rage_click 7"},
		"rage: 30 px from the centre":             {spread(30), "rage_click 6"},
		"rage: beyond the zone":                   {spread(45), ""},
		"rage: a click elsewhere between":         {append(burstOf(6, 300, ""), clickAt(650, 600, 400, "")), "rage_click 6"},
		"rage: stepper by text":                   {burstOf(8, 200, `,"text":"+"`), ""},
		"rage: stepper by minus":                  {burstOf(8, 200, `,"text":"−"`), ""},
		"rage: pager by word":                     {burstOf(8, 200, `,"text":"Next ›"`), ""},
		"rage: carousel by sign":                  {burstOf(8, 200, `,"text":"‹"`), ""},
		"rage: carousel by arrow":                 {burstOf(8, 200, `,"text":"→"`), ""},
		"rage: pager by aria-label":               {burstOf(8, 200, `,"aria_label":"Previous slide"`), ""},
		"rage: spinbutton":                        {burstOf(8, 200, `,"role":"spinbutton"`), ""},
		"rage: a word that begins like a pager":   {burstOf(6, 200, `,"text":"Nextcloud"`), "rage_click 6"},
		"rage: text field":                        {burstOf(8, 200, `,"tag":"textarea"`), ""},
		"rage: input":                             {burstOf(8, 200, `,"tag":"input"`), ""},
		"rage: input that is a button":            {burstOf(6, 200, `,"tag":"input","type":"submit","interactive":true`), "rage_click 6"},
		"rage: the site says so":                  {burstOf(8, 200, `,"ignore":"rage"`), ""},
		"rage: other buttons":                     {burstOf(8, 200, `,"button":2`), ""},
		"rage: double clicks that select":         {slices.Concat(selecting(0), selecting(150), selecting(800), selecting(950), selecting(1600), selecting(1750)), ""},
		"rage: six in a row that select":          {slices.Concat(burstOf(6, 150, ""), []Event{outcomeOf(200, 150, "selection", 5)}), "rage_click 6"},
		"dead: not interactive, none":             {[]Event{clickAt(0, 9, 9, div), outcomeOf(2500, 0, "none", 2500)}, "dead_click 1"},
		"dead: mutation":                          {[]Event{clickAt(0, 9, 9, div), outcomeOf(300, 0, "mutation", 290)}, ""},
		"dead: answer at 2,500 ms":                {[]Event{clickAt(0, 9, 9, div), outcomeOf(2510, 0, "network", 2500)}, ""},
		"dead: answer at 2,501 ms":                {[]Event{clickAt(0, 9, 9, div), outcomeOf(2510, 0, "network", 2501)}, "dead_click 1"},
		"dead: selection":                         {[]Event{clickAt(0, 9, 9, div), outcomeOf(20, 0, "selection", 5)}, ""},
		"dead: a menu closes":                     {[]Event{clickAt(0, 9, 9, div), outcomeOf(20, 0, "focus", 5)}, ""},
		"dead: label":                             {[]Event{clickAt(0, 9, 9, `,"tag":"label","interactive":false`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"dead: the same place within 1 s":         {[]Event{clickAt(0, 9, 9, div), clickAt(900, 12, 9, div), outcomeOf(2500, 0, "none", 2500), outcomeOf(3400, 900, "none", 2500)}, "dead_click 2"},
		"dead: the same place later":              {[]Event{clickAt(0, 9, 9, div), clickAt(1100, 9, 9, div), outcomeOf(2500, 0, "none", 2500), outcomeOf(3600, 1100, "none", 2500)}, "dead_click 1, dead_click 1"},
		"dead: another place within 1 s":          {[]Event{clickAt(0, 9, 9, div), clickAt(500, 90, 9, div), outcomeOf(2500, 0, "none", 2500), outcomeOf(3000, 500, "none", 2500)}, "dead_click 1, dead_click 1"},
		"dead: the site says so":                  {[]Event{clickAt(0, 9, 9, div+`,"ignore":"dead"`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"dead: by the deadline":                   {[]Event{clickAt(0, 9, 9, div)}, "dead_click 1"},
		"dead: by the deadline, the tag decides":  {[]Event{clickAt(0, 9, 9, `,"tag":"img"`)}, "dead_click 1"},
		"dead: by the deadline, a role":           {[]Event{clickAt(0, 9, 9, `,"tag":"div","role":"button"`)}, ""},
		"dead: by the deadline, an href":          {[]Event{clickAt(0, 9, 9, `,"tag":"a","href":"/x"`)}, ""},
		"dead: by the deadline, an empty href":    {[]Event{clickAt(0, 9, 9, `,"tag":"a","href":""`)}, "dead_click 1"},
		"dead: neither interactive nor outcome":   {[]Event{clickAt(0, 9, 9, ``)}, ""},
		"dead: unknown element, none":             {[]Event{clickAt(0, 9, 9, ``), outcomeOf(2500, 0, "none", 2500)}, "dead_click 1"},
		"dead: by the deadline, a navigation":     {[]Event{clickAt(0, 9, 9, div), nav(1500, a, b, "push")}, ""},
		"dead: by the deadline, the page goes":    {[]Event{clickAt(0, 9, 9, div), page_(2400, "page_exit", a)}, ""},
		"dead: by the deadline, a request":        {[]Event{clickAt(0, 9, 9, div), at(200, "network", `{"url":"/x"}`)}, ""},
		"dead: by the deadline, polling":          {[]Event{at(-3000, "network", `{"url":"/x"}`), clickAt(0, 9, 9, div), at(200, "network", `{"url":"/x"}`)}, "dead_click 1"},
		"dead: by the deadline, wheel much later": {[]Event{clickAt(0, 9, 9, div), scrollAt(1500, 300)}, "dead_click 1"},
		"dead: an outcome after the deadline":     {[]Event{clickAt(0, 9, 9, div), outcomeOf(5000, 0, "mutation", 400)}, ""},
		"unresponsive: interactive, none":         {[]Event{clickAt(0, 9, 9, button), outcomeOf(2500, 0, "none", 2500)}, "unresponsive_click 1"},
		"unresponsive: without outcome":           {[]Event{clickAt(0, 9, 9, button)}, ""},
		"unresponsive: download":                  {[]Event{clickAt(0, 9, 9, button+`,"download":true`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"unresponsive: new tab":                   {[]Event{clickAt(0, 9, 9, button+`,"target":"_blank"`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"unresponsive: mailto":                    {[]Event{clickAt(0, 9, 9, button+`,"href":"mailto:a@b"`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"unresponsive: tel":                       {[]Event{clickAt(0, 9, 9, button+`,"href":"tel:1"`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"unresponsive: modifier keys":             {[]Event{clickAt(0, 9, 9, button+`,"ctrl":true`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"unresponsive: input":                     {[]Event{clickAt(0, 9, 9, `,"tag":"input","interactive":true`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"unresponsive: disabled":                  {[]Event{clickAt(0, 9, 9, button+`,"disabled":true`), outcomeOf(2500, 0, "none", 2500)}, ""},
		"error: within 2,000 ms":                  {[]Event{clickAt(0, 9, 9, button), at(2000, "error", `{}`)}, "error_click 1"},
		"error: after 2,001 ms":                   {[]Event{clickAt(0, 9, 9, button), at(2001, "error", `{}`)}, ""},
		"error: two, one click":                   {[]Event{clickAt(0, 9, 9, button), at(10, "error", `{}`), at(20, "error", `{}`)}, "error_click 2"},
		"error: console alone":                    {[]Event{clickAt(0, 9, 9, button), at(10, "console", `{"level":"error"}`)}, ""},
		"thrash: to and fro":                      {[]Event{zigzag(0, 16, 120, 0)}, "thrashed_cursor 14"},
		"thrash: one signal for one fit":          {[]Event{zigzag(0, 16, 120, 0), zigzag(1600, 16, 120, 0)}, "thrashed_cursor 30"},
		"thrash: two fits":                        {[]Event{zigzag(0, 14, 120, 0), zigzag(9000, 14, 120, 0)}, "thrashed_cursor 12, thrashed_cursor 13"},
		"thrash: trembling":                       {[]Event{zigzag(0, 20, 6, 0)}, ""},
		"thrash: getting somewhere":               {[]Event{zigzag(0, 16, 60, 55)}, ""},
		"thrash: a flick":                         {[]Event{path(0, [2]int{0, 0}, [2]int{300, 50}, [2]int{900, 100}, [2]int{860, 100})}, ""},
		"thrash: one correction":                  {[]Event{path(0, [2]int{0, 0}, [2]int{600, 0}, [2]int{400, 90}, [2]int{500, 90})}, ""},
		"thrash: dragging":                        {[]Event{at(0, "pointer", strings.Replace(zigzag(0, 16, 120, 0).Payload, "{", `{"buttons":1,`, 1))}, ""},
		"quick_back: pop within 5 s":              {[]Event{nav(0, a, b, "push"), nav(5000, b, a, "pop")}, "quick_back 2"},
		"quick_back: later is a u_turn":           {[]Event{nav(0, a, b, "push"), nav(5001, b, a, "pop")}, "u_turn 2"},
		"quick_back: pages":                       {[]Event{page_(0, "page_load", a), page_(9000, "page_exit", a), page_(9100, "page_load", b), page_(11000, "page_exit", b), page_(11100, "page_load", a)}, "quick_back 2"},
		"quick_back: one trip, one signal":        {[]Event{nav(0, a, b, "push"), nav(1000, b, c, "push"), nav(2000, c, b, "pop"), nav(3000, b, a, "pop")}, "quick_back 2"},
		"u_turn: through another":                 {[]Event{nav(0, a, b, "push"), nav(9000, b, c, "push"), nav(30000, c, a, "push")}, "u_turn 3"},
		"u_turn: by a link within 5 s":            {[]Event{nav(0, a, b, "push"), nav(3000, b, a, "push")}, "u_turn 2"},
		"u_turn: after 30 s":                      {[]Event{nav(0, a, b, "push"), nav(30001, b, a, "pop")}, ""},
		"u_turn: fragments":                       {[]Event{nav(0, a, a+"#x", "hash"), nav(900, a+"#x", a, "pop")}, ""},
		"u_turn: loading again":                   {[]Event{page_(0, "page_load", a), page_(900, "page_exit", a), page_(1000, "page_load", a), page_(2000, "page_exit", a), page_(2100, "page_load", a)}, ""},
		"scroll: five reversals":                  {sweeps(6, 2000), "excessive_scroll 5"},
		"scroll: four":                            {sweeps(5, 2000), ""},
		"scroll: slowly":                          {sweeps(6, 8000), ""},
		"scroll: a click between":                 {append(sweeps(6, 2000), clickAt(5000, 9, 9, button)), ""},
		"scroll: short ways":                      {short(sweeps(9, 1000)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			slices.SortStableFunc(test.events, func(a, b Event) int { return int(a.TS - b.TS) })
			if got := final(t, Default(), test.events); got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// spread is six clicks on two places so far from the centre.
func spread(px int) (events []Event) {
	for i := range int64(6) {
		events = append(events, clickAt(i*200, 100+int(i%2)*2*px, 100, ""))
	}
	return events
}

func shift(events []Event, ms int64) (out []Event) {
	for _, e := range events {
		e.TS += ms
		e.ID += "+"
		out = append(out, e)
	}
	return out
}

// sweeps goes down and up the page n times in all.
func sweeps(n int, ms int64) []Event {
	events := []Event{scrollAt(0, 0)}
	for i := range n {
		events = append(events, scrollAt(int64(i+1)*ms, (i+1)%2*1200))
	}
	return events
}

func short(events []Event) (out []Event) {
	for _, e := range events {
		e.Payload = strings.Replace(e.Payload, `"page_height":2000`, `"page_height":2500`, 1)
		out = append(out, e)
	}
	return out
}

// final plays events and lists what stands a minute later.
func final(t *testing.T, cfg Config, events []Event) string {
	t.Helper()
	e, found := engineWith(cfg), rows{}
	var now int64
	for i := range events {
		for now = max(now, events[i].TS-500); now < events[i].TS; now += 100 {
			found.put(true, e.Advance(now))
		}
		found.put(true, e.Observe("p", "s", events[i:i+1], now))
	}
	for range 800 {
		now += 100
		found.put(true, e.Advance(now))
	}
	var out []string
	for _, s := range found {
		if !s.Retracted {
			out = append(out, fmt.Sprint(s.Kind, " ", s.Count))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// What a signal says of itself: where to look for it in the replay, and on what.
func TestSignalsSayWhereAndOnWhat(t *testing.T) {
	const pay = `,"selector":"#pay","text":"Pay","tag":"div","interactive":false`
	const send = `,"selector":"#send","text":"Send","tag":"button","interactive":true`
	a, b := "http://shop/a", "http://shop/b"
	for kind, test := range map[string]struct {
		events []Event
		want   string
	}{
		RageClick:         {burstOf(7, 200, pay), "click@0 at 0 for 1200: 7, (100, 100), #pay Pay, http://shop/ p"},
		DeadClick:         {[]Event{clickAt(0, 9, 8, pay), clickAt(300, 9, 8, pay), outcomeOf(2500, 0, "none", 2500)}, "click@0 at 0 for 300: 2, (9, 8), #pay Pay, http://shop/ p"},
		UnresponsiveClick: {[]Event{clickAt(0, 9, 8, send), outcomeOf(2500, 0, "none", 2500)}, "click@0 at 0 for 0: 1, (9, 8), #send Send, http://shop/ p"},
		ErrorClick:        {[]Event{clickAt(0, 9, 8, send), at(400, "error", `{}`)}, "click@0 at 0 for 400: 1, (9, 8), #send Send, http://shop/ p"},
		ThrashedCursor:    {[]Event{zigzag(0, 16, 120, 0)}, "pointer@0 at 0 for 1300: 14, (460, 300),  , http://shop/ p"},
		QuickBack:         {[]Event{nav(0, a, b, "push"), nav(3000, b, a, "pop")}, "navigate@0 at 0 for 3000: 2, (0, 0),  , http://shop/b p"},
		UTurn:             {[]Event{nav(0, a, b, "push"), nav(9000, b, a, "push")}, "navigate@0 at 0 for 9000: 2, (0, 0),  , http://shop/b p"},
		ExcessiveScroll:   {sweeps(6, 2000), "scroll@4000 at 4000 for 8000: 5, (0, 0),  , http://shop/ p"},
	} {
		found := rows{}
		run := engineWith(Default())
		found.put(true, run.Observe("p", "s", test.events, day0))
		found.put(true, run.Advance(day0+200_000))
		var got []string
		for _, s := range found {
			if s.Kind == kind && !s.Retracted {
				got = append(got, fmt.Sprintf("%s at %d for %d: %d, (%v, %v), %s %s, %s %s", s.FirstEventId, s.Timestamp-day0, s.DurationMs, s.Count,
					s.X, s.Y, s.Selector, s.Text, s.Url, s.PageId))
			}
		}
		if len(got) != 1 || got[0] != test.want {
			t.Errorf("%s says %q, want %q", kind, got, test.want)
		}
	}
}
