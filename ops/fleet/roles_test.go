package fleet

import (
	"strings"
	"testing"
)

// Each role is a program of its own: what one of them does goes on while another is away.
func TestRolesApart(t *testing.T) {
	f := newGround(t)
	f.aggregator(f.one, "--roles", "receive")
	process := f.aggregator(f.two, "--roles", "process")
	f.aggregator(f.store, "--roles", "api")
	f.agent(f.eu, gossipKey, "secret-of-eu")
	f.ready(f.one, f.two, f.store, f.eu)
	answers := func() bool {
		return strings.Contains(f.get(f.store, "http://"+loopback(7721)+"/api/v1/sessions?project=shop"), `"noise"`)
	}

	acked := f.fill(f.eu, 500<<10)
	f.await("the API answers with the visit", answers)
	f.counted(acked)

	process.kill()
	produced := f.metric(f.one, "gosight_receive_batches_total")
	acked += f.fill(f.eu, 500<<10)
	f.await("what is received stands in Kafka", func() bool { return f.metric(f.one, "gosight_receive_batches_total") > produced })
	if !answers() {
		t.Error("the API does not answer while nothing is processed")
	}
	process.start()
	f.counted(acked)
	if to := f.relayed(f.eu, f.two, "") + f.relayed(f.eu, f.store, ""); to != 0 {
		t.Errorf("%v frames were sent to aggregators that do not receive", to)
	}
}
