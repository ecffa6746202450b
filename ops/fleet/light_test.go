package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	gosight "github.com/gosight/gosight/sdk/go"
)

// An agent is light enough for a sidecar: a small program, and little memory at 1,000 events a second.
func TestAgentIsLight(t *testing.T) {
	const (
		largest   = 25 << 20
		memory    = 64 << 20
		perSecond = 1000
		batch     = 50
		seconds   = 15
	)
	f := newFleet(t)
	info, err := os.Stat(filepath.Join(os.Getenv("GOSIGHT_BIN"), "gosight-agent"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > largest {
		t.Errorf("the program has %d bytes, more than %d", info.Size(), largest)
	}
	client := f.sdk(f.eu, f.eu)
	defer client.Close(t.Context())
	var most float64
	tick := time.NewTicker(time.Second * batch / perSecond)
	defer tick.Stop()
	began := time.Now()
	for n := range seconds * perSecond / batch {
		<-tick.C
		events := make([]*gosight.Event, batch)
		for i := range events {
			events[i] = &gosight.Event{EventType: "click", SessionId: fmt.Sprintf("visit-%d", (n*batch+i)%1000),
				Payload: fmt.Sprintf(`{"x":%d,"y":%d,"vw":1280,"vh":720,"selector":"main > div.card:nth-of-type(%d)","tag":"div","interactive":true}`, i, n%700, i)}
		}
		if _, err := client.SendBatch(context.Background(), &gosight.EventBatch{Events: events}); err != nil {
			t.Fatal(err)
		}
		if n%(perSecond/batch) == 0 {
			most = max(most, f.metric(f.eu, "process_resident_memory_bytes"))
		}
	}
	t.Logf("agent: program %.1f MB, memory at most %.1f MB at %.0f events/s from 1,000 visits", float64(info.Size())/1e6, most/1e6,
		seconds*perSecond/time.Since(began).Seconds())
	if most == 0 || most > memory {
		t.Errorf("the agent took %.0f bytes of memory, more than %d", most, memory)
	}
}
