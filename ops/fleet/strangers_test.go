package fleet

import "testing"

// Nothing of who has no gossip key, no token or no trust in the relay's certificate gets in, and each is counted.
func TestStrangersAreKeptOut(t *testing.T) {
	f := newFleet(t)
	f.await("all know each other", f.whole)
	f.usAgent.kill() // its place is the strangers'
	stranger := func(key, token string, flags ...string) *program {
		r := f.agent(f.us, key, token, append(flags, "--id", "stranger", "--data-dir", t.TempDir(),
			"--forward-aggregators", f.one.at(relayPort))...)
		f.await("the stranger takes events", func() bool { return f.get(f.us, "http://"+loopback(adminPort)+"/readyz") == "ok\n" })
		f.fill(f.us, 200<<10)
		return r
	}

	t.Run("without the key and the token", func(t *testing.T) {
		r := stranger("b3RoZXIga2V5IG9mIGEgZmxlZXQgaW4gYSB0ZXN0ISE=", "guessed")
		f.await("its gossip is refused", func() bool { return f.metric(f.one, "gosight_fleet_refused_total", "key") > 0 })
		f.await("its frames are refused", func() bool {
			return f.metric(f.one, "gosight_receive_refused_total", "unauthenticated") > 0
		})
		if n := f.members(f.us); n != 1 {
			t.Errorf("the stranger knows %v members", n)
		}
		f.await("the fleet is the three that are left", func() bool { return f.members(f.one) == 3 && f.members(f.eu) == 3 })
		r.kill()
	})
	t.Run("before a relay of another CA", func(t *testing.T) {
		r := stranger(gossipKey, "secret-of-us", "--forward-ca-file", otherCA(t))
		f.await("it sends nothing, and says so", func() bool {
			return f.metric(f.us, "gosight_forward_retries_total", f.one.String()) > 0
		})
		if sent := f.metric(f.us, "gosight_forward_frames_total"); sent != 0 {
			t.Errorf("%v frames were taken", sent)
		}
		r.kill()
	})
	if n := f.query("SELECT count() FROM gosight.events"); n != "0" {
		t.Errorf("%s events are stored", n)
	}
}
