package gate

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// LimitError says that a sender is faster than it may be, and when it may come again.
type LimitError struct {
	// By is what is limited: key, address or session.
	By         string
	RetryAfter time.Duration
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("too many events for one %s: send them again in %s", e.By, e.RetryAfter.Round(time.Millisecond))
}

// maxDelay bounds what a sender is told to wait.
const maxDelay = 30 * time.Second

// limits has a bucket for each key, address and session that was seen lately.
type limits struct {
	cfg       Config
	keys      *lru.Cache[string, *keyBucket]
	addresses *lru.Cache[netip.Addr, *rate.Limiter]
	sessions  *lru.Cache[sessionOf, *rate.Limiter]
}

type sessionOf struct{ project, session string }

type keyBucket struct {
	rate, burst int
	*rate.Limiter
}

func newLimits(cfg Config) (*limits, error) {
	l := &limits{cfg: cfg}
	var err error
	if l.keys, err = lru.New[string, *keyBucket](cfg.Tracked); err != nil {
		return nil, err
	}
	if l.addresses, err = lru.New[netip.Addr, *rate.Limiter](cfg.Tracked); err != nil {
		return nil, err
	}
	l.sessions, err = lru.New[sessionOf, *rate.Limiter](cfg.Tracked)
	return l, err
}

// Take counts a batch of events against its key and its address, and returns a *LimitError where it comes too
// early. An address that is not valid, or on loopback, tells nothing of who sends, and is not counted.
func (g *Gate) Take(project, key string, peer netip.Addr, events int) error {
	now := g.now()
	if settings := g.index.Load().Project(project); settings != nil && settings.EventsPerSecond > 0 {
		burst := settings.Burst
		if burst == 0 {
			burst = 10 * settings.EventsPerSecond
		}
		bucket, ok := g.limits.keys.Get(key)
		if !ok || bucket.rate != settings.EventsPerSecond || bucket.burst != burst {
			bucket = &keyBucket{settings.EventsPerSecond, burst, rate.NewLimiter(rate.Limit(settings.EventsPerSecond), burst)}
			g.limits.keys.Add(strings.Clone(key), bucket)
		}
		if err := g.take("key", bucket.Limiter, now, events); err != nil {
			return err
		}
	}
	if g.cfg.Address == 0 || !peer.IsValid() || peer.IsLoopback() {
		return nil
	}
	bucket, ok := g.limits.addresses.Get(peer)
	if !ok {
		bucket = addBucket(g.limits.addresses, peer, g.cfg.Address, g.cfg.AddressBurst)
	}
	return g.take("address", bucket, now, events)
}

// TakeSession counts events against their session.
func (g *Gate) TakeSession(project, session string, events int) error {
	if g.cfg.Session == 0 {
		return nil
	}
	of := sessionOf{project, session}
	bucket, ok := g.limits.sessions.Get(of)
	if !ok {
		// A session's name is a part of the request that brought it: kept as it is, it would keep all of that.
		of.session = strings.Clone(session)
		bucket = addBucket(g.limits.sessions, of, g.cfg.Session, g.cfg.SessionBurst)
	}
	return g.take("session", bucket, g.now(), events)
}

// addBucket begins a count. Two that come at once may each make one: a burst too many, once.
func addBucket[K comparable](all *lru.Cache[K, *rate.Limiter], key K, perSecond, burst int) *rate.Limiter {
	bucket := rate.NewLimiter(rate.Limit(perSecond), burst)
	all.Add(key, bucket)
	return bucket
}

// take takes events out of a bucket, or says how long until they are in it. A batch that is larger than the bucket
// needs a full one.
func (g *Gate) take(by string, bucket *rate.Limiter, now time.Time, events int) error {
	wanted := bucket.ReserveN(now, min(events, bucket.Burst()))
	delay := wanted.DelayFrom(now)
	if delay == 0 {
		return nil
	}
	wanted.CancelAt(now)
	g.metrics.limited.WithLabelValues(by).Inc()
	return &LimitError{By: by, RetryAfter: min(delay, maxDelay)}
}
