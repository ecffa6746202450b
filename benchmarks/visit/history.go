package visit

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// Plan says what a History is made of.
type Plan struct {
	Project    string
	From, Till int64 // Unix milliseconds: when visits begin
	Visits     int
	PerVisit   int     // events of a visit without its recording, on average
	Recorded   float64 // share of visits that have a replay
	Seed       uint64  // equal plans and seeds give equal visits
}

// History is what agents would have sent on behalf of people who came to a shop in the past: few pages get most of
// the visits, some people come again, some get stuck. Visit by visit, so that a large history needs no memory, and
// from templates, so that making it costs less than storing it. Safe for concurrent use: nothing changes.
type History struct {
	plan Plan
	made map[string]*templates // by device
}

// NewHistory prepares the templates.
func NewHistory(plan Plan) *History {
	h := &History{plan: plan, made: map[string]*templates{}}
	for i, device := range []string{"desktop", "mobile", "tablet"} {
		h.made[device] = newTemplates(device, rand.New(rand.NewPCG(plan.Seed, uint64(i))))
	}
	return h
}

// Visit gives the batches of the i-th visit, which begin in the order of i. They are valid until give returns.
func (h *History) Visit(i int, give func(*gosight.Batch)) {
	rng := rand.New(rand.NewPCG(h.plan.Seed^0x9e3779b97f4a7c15, uint64(i)))
	span := float64(h.plan.Till - h.plan.From)
	p := past{
		plan: &h.plan, rng: rng, give: give, pages: rand.NewZipf(rng, 1.2, 4, uint64(len(shopPages)-1)),
		ts: h.plan.From + int64(span*(float64(i)+rng.Float64())/float64(h.plan.Visits)),
	}
	p.client = pickBy(rng, clients)
	p.t = h.made[p.client.device]
	p.place = pickBy(rng, places)
	p.session = strconv.FormatInt(p.ts, 36) + token(rng, 16)
	if rng.IntN(10) < 3 {
		people := rand.NewZipf(rng, 1.05, 20, uint64(max(10, h.plan.Visits/4)))
		p.user = "user-" + strconv.FormatUint(people.Uint64(), 10)
	}
	p.recorded = rng.Float64() < h.plan.Recorded
	p.release = "1.4.0"
	if 2*i > h.plan.Visits {
		p.release = "1.5.0"
	}
	// Most visits are short and a few are long, with the mean that is asked for.
	left := min(10*h.plan.PerVisit, int(rng.ExpFloat64()*float64(h.plan.PerVisit-20))+20)
	for left > 0 {
		left -= p.page(min(left, 20+rng.IntN(120)))
	}
}

// past is one visit in the making.
type past struct {
	plan     *Plan
	rng      *rand.Rand
	pages    *rand.Zipf
	give     func(*gosight.Batch)
	t        *templates
	client   client
	place    place
	recorded bool

	session, user, release string
	url, pageID            string
	ts                     int64
	events                 int
	batch, replay          gosight.Batch
}

// page adds one page's events, about n, and returns how many there are beside the recording.
func (p *past) page(n int) int {
	from := p.url
	shown := int(p.pages.Uint64())
	p.url, p.pageID = shopPages[shown], token(p.rng, 8)
	p.events = 0
	metadata := map[string]string{
		"url": p.url, "page_id": p.pageID, "browser": p.client.browser, "browser_version": "141.0", "os": p.client.system,
		"device": p.client.device, "country": p.place.country, "city": p.place.city, "language": p.place.language,
		"sdk": "web", "sdk_version": "0.1.0", "release": p.release,
	}
	if from != "" {
		metadata["referrer"] = from
	}
	p.batch = gosight.Batch{Project: p.plan.Project, SessionId: p.session, UserId: p.user, Lane: gosight.Lane_LANE_EVENTS,
		Metadata: metadata, AgentId: p.place.agent, Region: p.place.region}
	p.replay = gosight.Batch{Project: p.plan.Project, SessionId: p.session, UserId: p.user, Lane: gosight.Lane_LANE_REPLAY,
		Metadata: metadata, AgentId: p.place.agent, Region: p.place.region}
	p.add("page_load", `{"url":"`+p.url+`","title":"`+pageTitle(shown)+`","referrer":"`+from+`","load_ms":`+strconv.Itoa(200+p.rng.IntN(2000))+`}`)
	if p.recorded {
		p.record("full_snapshot", `{"type":4,"data":{"href":"`+p.url+`","width":`+strconv.Itoa(p.t.width)+`,"height":`+strconv.Itoa(p.t.height)+`}`)
		p.record("full_snapshot", untimed(snapshot(shown%pages)))
	}
	p.add("web_vital", pick(p.rng, p.t.vitals))
	for p.events < n {
		p.act(shown)
		if p.recorded && p.rng.IntN(3) > 0 {
			p.record("mutation", untimed(mutation(p.rng, p.ts)))
		}
	}
	p.add("page_exit", pick(p.rng, p.t.exits))
	p.batch.ReceivedAt = p.ts + 300 + p.rng.Int64N(1500)
	p.replay.ReceivedAt = p.batch.ReceivedAt
	p.give(&p.batch)
	if p.recorded {
		p.give(&p.replay)
	}
	return len(p.batch.Events)
}

// act adds what people do next; shares as in Visits, the recording left out.
func (p *past) act(shown int) {
	rng, t := p.rng, p.t
	p.ts += 200 + rng.Int64N(3000)
	switch dice := rng.IntN(10_000); {
	case dice < 3800:
		p.add("pointer", pick(rng, t.pointers))
	case dice < 6000:
		p.add("scroll", pick(rng, t.scrolls))
	case dice < 8100:
		p.answered(p.add("click", pick(rng, t.clicks)), pick(rng, answers))
	case dice < 8140:
		p.stuck(shown)
	case dice < 8800:
		p.add("input", pick(rng, t.inputs))
	case dice < 9600:
		p.add("network", pick(rng, t.requests))
	case dice < 9900:
		p.add("custom", pick(rng, t.customs))
	case dice < 9960:
		p.add("console", `{"level":"warn","message":"slow response from recommendations"}`)
	default:
		p.add("error", pick(rng, t.failures))
	}
}

// stuck adds what a detector finds, and the signal as the edge said it. Trouble is where the page has it, so that
// some pages and elements stand out.
func (p *past) stuck(shown int) {
	trouble := troubles[(shown+p.rng.IntN(2))%len(troubles)]
	click := pick(p.rng, p.t.clicksOn[trouble.selector])
	began, first, count := p.ts, "", 1
	switch trouble.kind {
	case "rage_click":
		count = 6 + p.rng.IntN(5)
		for range count {
			id := p.add("click", click)
			if first == "" {
				first = id
			}
			p.ts += 60 + p.rng.Int64N(150)
		}
	case "error_click":
		first = p.add("click", click)
		p.ts += 40
		p.add("error", pick(p.rng, p.t.failures))
	case "dead_click", "unresponsive_click":
		first = p.add("click", click)
		p.answered(first, "none")
	default:
		first = p.add("pointer", pick(p.rng, p.t.pointers))
	}
	p.batch.Signals = append(p.batch.Signals, &gosight.Signal{
		SignalId: detect.SignalID(p.plan.Project, p.session, trouble.kind, first), Kind: trouble.kind, Timestamp: began,
		Url: p.url, PageId: p.pageID, Selector: trouble.selector, Text: trouble.text, X: float64(p.t.width) / 2, Y: 300,
		Count: uint32(count), DurationMs: uint32(p.ts - began), Final: true, FirstEventId: first, Revision: 1,
	})
}

func (p *past) answered(click, kind string) {
	p.add("click_outcome", `{"click_id":"`+click+`","kind":"`+kind+`","after_ms":`+strconv.Itoa(20+p.rng.IntN(200))+`}`)
}

func (p *past) id() string {
	p.events++
	var room [24]byte
	return string(strconv.AppendInt(append(append(room[:0], p.pageID...), '.'), int64(p.events), 36))
}

func (p *past) add(eventType, payload string) (id string) {
	p.ts += 10
	id = p.id()
	p.batch.Events = append(p.batch.Events, &gosight.Event{EventId: id, EventType: eventType, Timestamp: p.ts, Payload: payload})
	return id
}

// record adds an rrweb event, given without its time and its end.
func (p *past) record(eventType, payload string) {
	p.ts += 2
	p.replay.Events = append(p.replay.Events, &gosight.Event{EventId: p.id(), EventType: eventType, Timestamp: p.ts,
		Payload: payload + `,"timestamp":` + strconv.FormatInt(p.ts, 10) + `}`})
}

// untimed takes an rrweb event's time and end off.
func untimed(event string) string { return event[:strings.LastIndex(event, `,"timestamp":`)] }
