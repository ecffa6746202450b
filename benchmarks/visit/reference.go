// Package visit makes the traffic that the benchmarks send: the reference event that figures are quoted in, and
// visits as browsers record them.
package visit

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Reference makes batches of the reference event: a click of about 460 B as published protobuf (session and user as
// UUIDs, 180 B of payload, five metadata entries). It is cheap, so that the generator is not what is measured. One
// goroutine uses it.
type Reference struct {
	run, worker string
	perBatch    int
	made        uint64
	rng         *rand.Rand
	batch       *gosight.EventBatch
	events      []gosight.Event
}

// pause is the time between two clicks of a session, by their own time: that of Published, a hasty visitor. A storm of
// clicks is another measurement (internal/detect's BenchmarkReference): detectors remember what a session did within
// ten seconds, so what they cost grows with it.
const pause = 900 // ms

// NewReference makes batches of perBatch events. run starts every session id, so that a run's rows can be told from
// all others; worker tells apart what runs beside.
func NewReference(run string, worker, perBatch int) *Reference {
	r := &Reference{
		run: run, worker: strconv.Itoa(worker), perBatch: perBatch, events: make([]gosight.Event, perBatch),
		made: uint64(worker) * 7919, // so that workers do not send the same payloads at the same time
		rng:  rand.New(rand.NewPCG(uint64(worker), 1)),
	}
	r.batch = &gosight.EventBatch{Events: make([]*gosight.Event, perBatch)}
	for i := range r.events {
		r.batch.Events[i] = &r.events[i]
	}
	return r
}

// Next returns the next batch, which is valid until Next is called again: a session of its own, whose last event
// happens at `at`, Unix milliseconds.
func (r *Reference) Next(at int64) *gosight.EventBatch {
	r.batch.SessionId, r.batch.UserId, r.batch.Metadata = sessionID(r.run, r.rng), uuid(r.rng), pick(r.rng, references().metadata)
	payloads := references().payloads
	for i := range r.events {
		r.made++
		ev := &r.events[i]
		ev.EventType, ev.Timestamp = "click", at-int64(r.perBatch-1-i)*pause
		ev.EventId = r.worker + "-" + strconv.FormatUint(r.made, 36)
		ev.Payload = payloads[r.made%uint64(len(payloads))]
	}
	return r.batch
}

// references are what all workers pick from: making payloads as they go would be most of the generator's work.
var references = sync.OnceValue(func() (made struct {
	payloads []string
	metadata []map[string]string
}) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range 8192 {
		made.payloads = append(made.payloads, referencePayload(rng))
	}
	for range 1024 {
		made.metadata = append(made.metadata, referenceMetadata(rng))
	}
	return made
})

// Published returns the i-th reference event as a client of the published contract sends it: everything with it.
func Published(rng *rand.Rand, i int) *gosight.Event {
	return &gosight.Event{
		SessionId: uuid(rng), UserId: uuid(rng), EventType: "click", Payload: referencePayload(rng),
		Timestamp: 1_790_000_000_000 + int64(i)*pause + rng.Int64N(pause), Metadata: referenceMetadata(rng),
	}
}

func referencePayload(rng *rand.Rand) string {
	x, y := rng.IntN(1280), rng.IntN(720)
	return fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"page_x":%d,"page_y":%d,"selector":"main>div.products>article:nth-child(%d)>button","tag":"button","text":"Add %s to basket","interactive":true}`,
		x, y, x, y+rng.IntN(4000), rng.IntN(48), token(rng, 7))
}

func referenceMetadata(rng *rand.Rand) map[string]string {
	return map[string]string{
		"url":     pageURL(rng.IntN(pages)),
		"browser": pick(rng, browsers), "os": pick(rng, systems), "language": pick(rng, languages), "page_id": uuid(rng),
	}
}

var (
	browsers  = []string{"Chrome 141.0", "Safari 19.2", "Firefox 145.0", "Edge 141.0"}
	systems   = []string{"Windows 11", "macOS 26", "Android 16", "iOS 26"}
	languages = []string{"en-GB", "de-DE", "fr-FR", "ja-JP"}
)

const pages = 200

func pageURL(page int) string {
	return fmt.Sprintf("https://shop.example/en/outdoor/products/%d", page)
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// sessionID is a UUID whose first group is the run.
func sessionID(run string, rng *rand.Rand) string { return run + uuid(rng)[len(run):] }

func uuid(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48, b&0xffffffffffff)
}

func token(rng *rand.Rand, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[rng.IntN(len(letters))]
	}
	return string(text)
}
