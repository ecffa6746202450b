package erase

import (
	"testing"
	"time"

	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func TestDeadLettersOfTheErasedAreKnown(t *testing.T) {
	batch := func(project, session, user string) []byte {
		value, err := (&gosight.Batch{Project: project, SessionId: session, UserId: user, Lane: gosight.Lane_LANE_EVENTS,
			Metadata: map[string]string{"title": "of zoe"}, AgentId: "edge-1"}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	cut := func(value []byte) []byte { return value[:len(value)-4] }
	user := registry.NewErasure("shop", "zoe", "", time.UnixMilli(0), time.UnixMilli(1))
	user.Add("s1")
	session := registry.NewErasure("shop", "", "s1", time.UnixMilli(0), time.UnixMilli(1))
	for name, c := range map[string]struct {
		key                   string
		value                 []byte
		ofTheUser, ofTheVisit bool
	}{
		"their session":                    {"shop/s1", batch("shop", "s1", ""), true, true},
		"their session, whatever it says":  {"shop/s1", []byte("junk"), true, true},
		"another session of theirs":        {"shop/s2", batch("shop", "s2", "zoe"), true, false},
		"unreadable, of them":              {"shop/s2", cut(batch("shop", "s2", "zoe")), true, false},
		"unreadable, of one called so":     {"shop/s2", cut(batch("shop", "s2", "zoey")), false, false},
		"somebody else":                    {"shop/s2", batch("shop", "s2", "ann"), false, false},
		"nobody":                           {"shop/s2", batch("shop", "s2", ""), false, false},
		"another project":                  {"blog/s1", batch("blog", "s1", "zoe"), false, false},
		"another project's, unreadable":    {"blog/s1", cut(batch("blog", "s1", "zoe")), false, false},
		"a key that is not the batch's":    {"", batch("shop", "s1", "zoe"), true, true},
		"somebody else's with zoe in text": {"shop/s2", cut(batch("shop", "s2", "")), false, false},
	} {
		if got := theirs(user)([]byte(c.key), c.value); got != c.ofTheUser {
			t.Errorf("%s: of the user: %v", name, got)
		}
		if got := theirs(session)([]byte(c.key), c.value); got != c.ofTheVisit {
			t.Errorf("%s: of the session: %v", name, got)
		}
	}
}
