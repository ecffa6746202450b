package visit

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Visits plays people on a shop: they come, look at pages (few pages get most of the visits), move, scroll, click,
// type, leave; some rage; and their pages are recorded for replay. Each batch is what one browser sends at one time.
// One goroutine uses it.
type Visits struct {
	run      string
	rng      *rand.Rand
	zipf     *rand.Zipf
	visitors []visitor
	perBatch int
}

type visitor struct {
	session, user, pageID string
	metadata              map[string]string
	page                  int
	left                  int // events until the visit ends
	events                int
	onPage                int // events until the next page
}

// NewVisits plays visitors at a time; the batches have about perBatch events. run starts every session id.
func NewVisits(run string, worker, visitors, perBatch int) *Visits {
	rng := rand.New(rand.NewPCG(uint64(worker), 2))
	return &Visits{
		run: run, rng: rng, zipf: rand.NewZipf(rng, 1.3, 3, pages-1),
		visitors: make([]visitor, visitors), perBatch: perBatch,
	}
}

// Next returns what a random visitor's browser sends at the time `at`, Unix milliseconds: events of the five seconds
// before. The batch is the caller's.
func (v *Visits) Next(at int64) *gosight.EventBatch {
	who := &v.visitors[v.rng.IntN(len(v.visitors))]
	if who.left <= 0 {
		v.arrive(who)
	}
	n := v.perBatch/2 + v.rng.IntN(v.perBatch+1)
	batch := &gosight.EventBatch{SessionId: who.session, UserId: who.user, Metadata: who.metadata, SentAt: at}
	w := writer{visitor: who, batch: batch, ts: at - int64(n)*20, step: 20}
	for len(batch.Events) < n {
		if who.onPage <= 0 {
			v.turnPage(who, &w)
			batch.Metadata = who.metadata
			continue
		}
		v.act(&w)
	}
	who.left -= len(batch.Events)
	return batch
}

func (v *Visits) arrive(who *visitor) {
	*who = visitor{
		session: sessionID(v.run, v.rng), user: "user-" + strconv.Itoa(v.rng.IntN(5000)),
		left: 100 + v.rng.IntN(900), page: int(v.zipf.Uint64()),
	}
	who.metadata = v.describe(who)
}

func (v *Visits) describe(who *visitor) map[string]string {
	who.pageID = token(v.rng, 10)
	return map[string]string{
		"url": pageURL(who.page), "browser": pick(v.rng, browsers), "browser_version": "141.0", "os": pick(v.rng, systems),
		"language": pick(v.rng, languages), "sdk": "web", "sdk_version": "0.1.0", "page_id": who.pageID, "device": "desktop",
	}
}

// turnPage leaves one page for another, whose recording starts anew.
func (v *Visits) turnPage(who *visitor, w *writer) {
	from := who.page
	if who.events > 0 {
		w.add("page_exit", fmt.Sprintf(`{"url":%q,"dwell_ms":%d,"depth":%d}`, pageURL(from), v.rng.IntN(60000), v.rng.IntN(101)))
		who.page = int(v.zipf.Uint64())
		who.metadata = v.describe(who)
	}
	who.onPage = 30 + v.rng.IntN(200)
	w.add("page_load", fmt.Sprintf(`{"url":%q,"title":"Product %d","referrer":%q,"load_ms":%d}`,
		pageURL(who.page), who.page, pageURL(from), 200+v.rng.IntN(2000)))
	w.add("full_snapshot", fmt.Sprintf(`{"type":4,"data":{"href":%q,"width":1280,"height":720},"timestamp":%d}`, pageURL(who.page), w.ts))
	w.add("full_snapshot", snapshot(who.page))
	w.add("web_vital", fmt.Sprintf(`{"name":"LCP","value":%d,"rating":"good"}`, 600+v.rng.IntN(1800)))
}

// act adds what a visitor does next. The shares are those of recorded visits: movement and replay are most of it.
func (v *Visits) act(w *writer) {
	rng := v.rng
	x, y := rng.IntN(1200), rng.IntN(700)
	switch dice := rng.IntN(1000); {
	case dice < 330:
		w.add("mutation", mutation(rng, w.ts))
	case dice < 580:
		w.add("pointer", path(rng, x, y))
	case dice < 730:
		w.add("scroll", fmt.Sprintf(`{"depth":%d,"y":%d,"page_height":4200}`, rng.IntN(101), rng.IntN(4200)))
	case dice < 880:
		v.click(w, x, y, true)
	case dice < 884:
		v.click(w, x, y, false) // a dead click
	case dice < 888:
		v.rage(w, x, y)
	case dice < 940:
		w.add("input", fmt.Sprintf(`{"selector":"form#checkout>input:nth-child(%d)","tag":"input","type":"text","length":%d}`, rng.IntN(9), rng.IntN(30)))
	case dice < 980:
		w.add("network", fmt.Sprintf(`{"method":"GET","url":"/api/stock/%d","status":200,"duration_ms":%d}`, rng.IntN(999), rng.IntN(400)))
	case dice < 990:
		w.add("custom", fmt.Sprintf(`{"name":"basket","props":{"items":%d}}`, rng.IntN(9)))
	case dice < 995:
		w.add("console", `{"level":"warn","message":"slow response from recommendations"}`)
	default:
		w.add("error", fmt.Sprintf(`{"message":"Cannot read properties of undefined (reading 'price')","source":"/app.js","line":%d,"column":17,"stack":"at total (/app.js:%[1]d:17)"}`, rng.IntN(2000)))
	}
}

func (v *Visits) click(w *writer, x, y int, answered bool) {
	tag, answer := "button", "mutation"
	if !answered {
		tag, answer = "div", "none"
	}
	id := w.add("click", fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"page_x":%d,"page_y":%d,"selector":"main>div.products>article:nth-child(%d)>%s","tag":%q,"role":"","text":"Add to basket","button":0,"interactive":%t}`,
		x, y, x, y+400, v.rng.IntN(48), tag, tag, answered))
	w.add("click_outcome", fmt.Sprintf(`{"click_id":%q,"kind":%q,"after_ms":%d}`, id, answer, 20+v.rng.IntN(200)))
}

// rage is seven clicks within a second on one spot.
func (v *Visits) rage(w *writer, x, y int) {
	step := w.step
	w.step = 120
	for range 7 {
		w.add("click", fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"page_x":%[1]d,"page_y":%[2]d,"selector":"button#pay","tag":"button","text":"Pay now","button":0,"interactive":true}`,
			x+v.rng.IntN(8), y+v.rng.IntN(8)))
	}
	w.step = step
}

// writer adds events to a visitor's batch, each a little later than the one before.
type writer struct {
	*visitor
	batch *gosight.EventBatch
	ts    int64
	step  int64
}

func (w *writer) add(eventType, payload string) (id string) {
	w.events++
	w.onPage--
	w.ts += w.step
	id = w.pageID + "-" + strconv.Itoa(w.events)
	w.batch.Events = append(w.batch.Events, &gosight.Event{EventId: id, EventType: eventType, Timestamp: w.ts, Payload: payload})
	return id
}

func path(rng *rand.Rand, x, y int) string {
	var b strings.Builder
	b.WriteString(`{"points":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		x, y = x+rng.IntN(41)-15, y+rng.IntN(41)-18
		fmt.Fprintf(&b, "[%d,%d,%d]", i*50, x, y)
	}
	b.WriteString(`]}`)
	return b.String()
}

func mutation(rng *rand.Rand, ts int64) string {
	return fmt.Sprintf(`{"type":3,"data":{"source":0,"texts":[],"attributes":[{"id":%d,"attributes":{"class":"price flash-%d"}}],"removes":[],"adds":[{"parentId":%d,"nextId":null,"node":{"type":3,"textContent":"%d.%02d EUR","id":%d}}]},"timestamp":%d}`,
		rng.IntN(900), rng.IntN(3), rng.IntN(900), rng.IntN(200), rng.IntN(100), 1000+rng.IntN(9000), ts)
}

var snapshots = func() [pages]string {
	var made [pages]string
	for page := range made {
		made[page] = makeSnapshot(page)
	}
	return made
}()

// snapshot is a whole product page of about 300 nodes (30 kB), as rrweb takes it.
func snapshot(page int) string { return snapshots[page] }

func makeSnapshot(page int) string {
	rng := rand.New(rand.NewPCG(uint64(page), 3))
	var b strings.Builder
	id := 2
	node := func(tag, class string, children func()) {
		id++
		fmt.Fprintf(&b, `{"type":2,"tagName":%q,"attributes":{"class":%q},"childNodes":[`, tag, class)
		own := id
		children()
		fmt.Fprintf(&b, `],"id":%d}`, own)
	}
	text := func(content string) {
		id++
		fmt.Fprintf(&b, `{"type":3,"textContent":%q,"id":%d}`, content, id)
	}
	b.WriteString(`{"type":2,"data":{"node":{"type":0,"childNodes":[`)
	node("html", "", func() {
		node("body", "shop", func() {
			for i := range 48 {
				if i > 0 {
					b.WriteByte(',')
				}
				node("article", "card card-"+token(rng, 4), func() {
					node("h3", "title", func() { text("Product " + strconv.Itoa(page) + "." + strconv.Itoa(i)) })
					b.WriteByte(',')
					node("p", "copy", func() {
						text("A " + token(rng, 9) + " for the " + token(rng, 7) + " of your " + token(rng, 12) + ", in stock.")
					})
					b.WriteByte(',')
					node("button", "buy primary", func() { text("Add to basket") })
				})
			}
		})
	})
	fmt.Fprintf(&b, `],"id":1},"initialOffset":{"left":0,"top":0}},"timestamp":1790000000000}`)
	return b.String()
}
