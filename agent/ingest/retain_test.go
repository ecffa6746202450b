package ingest

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// What the agent remembers of a visit must not keep the requests that told of it: strings of a decoded batch are parts
// of its request, and one kept name of 36 bytes would keep all 100 kB.
func TestRequestsAreNotKept(t *testing.T) {
	pipeline, q := newTestPipeline(t)
	const requests = 20
	bodies := make([]weak.Pointer[byte], requests)
	for i := range bodies {
		in := &gosight.EventBatch{
			SessionId: fmt.Sprintf("session-%d", i), UserId: fmt.Sprintf("user-%d", i),
			Metadata: map[string]string{
				"url": fmt.Sprintf("https://shop.example/%d?q=ann@example.com", i), "page_id": fmt.Sprintf("page-%d", i),
				"user_agent": fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) Chrome/%d.0 Safari/537.36", 100+i),
			},
		}
		for k := range 12 { // a burst of clicks, and what is kept of them
			in.Events = append(in.Events, &gosight.Event{
				EventId: fmt.Sprintf("e%d", k), EventType: "click", Timestamp: testNow + int64(k)*100,
				Payload: `{"x":5,"y":5,"vw":1280,"vh":720,"selector":"main>button","tag":"button","text":"Pay","interactive":false}`,
			})
			in.Events = append(in.Events, &gosight.Event{
				EventId: fmt.Sprintf("n%d", k), EventType: "navigate", Timestamp: testNow + int64(k)*100 + 50,
				Payload: fmt.Sprintf(`{"kind":"push","from":"/%d","to":"/%d"}`, k, k+1),
			})
		}
		body, err := in.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		bodies[i] = weak.Make(&body[0])
		decoded := &gosight.EventBatch{}
		if err := decoded.UnmarshalVTUnsafe(body); err != nil {
			t.Fatal(err)
		}
		if _, err := pipeline.Take(t.Context(), testSource, decoded); err != nil {
			t.Fatal(err)
		}
	}
	queued(t, q, requests)
	runtime.GC()
	runtime.GC()
	kept := 0
	for _, body := range bodies {
		if body.Value() != nil {
			kept++
		}
	}
	if kept > 1 { // the last one may still lie in a register or on a stack
		t.Errorf("%d of %d requests are still in memory", kept, requests)
	}
	runtime.KeepAlive(pipeline)
}
