package gosight

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync/atomic"
	"time"
)

// idSource names events: a random part for this process, and a counter. Ids that are alike compress well, where
// random ones would be most of a batch.
type idSource struct {
	prefix string
	last   *atomic.Uint64
}

func newIDSource() idSource { return idSource{prefix: rand.Text() + "-", last: new(atomic.Uint64)} }

func (s idSource) next() string { return s.prefix + strconv.FormatUint(s.last.Add(1), 36) }

// complete gives events the id that they keep on every retry, and a time where they have none.
func (c *Client) complete(events []*Event) {
	for _, ev := range events {
		if ev.EventId == "" {
			ev.EventId = c.ids.next()
		}
		if ev.Timestamp == 0 {
			ev.Timestamp = time.Now().UnixMilli()
		}
	}
}

type contextKey struct{ what string }

var (
	sessionKey = &contextKey{"session"}
	userKey    = &contextKey{"user"}
)

// WithSession returns a context whose events belong to this visit, unless they say otherwise.
func WithSession(ctx context.Context, sessionID string) context.Context {
	return context.WithValue(ctx, sessionKey, sessionID)
}

// WithUser returns a context whose events belong to this user, unless they say otherwise.
func WithUser(ctx context.Context, userID string) context.Context {
	return context.WithValue(ctx, userKey, userID)
}

// Session returns the visit that ctx belongs to, or "".
func Session(ctx context.Context) string {
	session, _ := ctx.Value(sessionKey).(string)
	return session
}

// User returns the user that ctx belongs to, or "".
func User(ctx context.Context) string {
	user, _ := ctx.Value(userKey).(string)
	return user
}
