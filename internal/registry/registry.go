// Package registry is what the whole fleet knows of projects: their settings, who may write and read, and whose
// data is erased. The centre keeps a State (aggregator/access); agents follow the part of it that they need, a
// Snapshot.
//
// Secrets are in it as SHA-256 sums only. They are made by NewSecret with 128 bits of chance, so that there is
// nothing to guess and a slow hash, which protects what people choose, would protect nothing more; and a key is
// checked with every batch.
package registry

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AllProjects stands for every project in a Token.
const AllProjects = "*"

// Sum is a secret's SHA-256 in hexadecimal.
type Sum string

// SumOf is what is kept of a secret.
func SumOf(secret string) Sum {
	sum := sha256.Sum256([]byte(secret))
	return Sum(hex.EncodeToString(sum[:]))
}

// NewSecret makes a secret that says what it is for: gs_ for write keys, gst_ for read tokens, gsa_ for agents.
func NewSecret(prefix string) string { return prefix + rand.Text() }

// Hint is how a secret begins, so that people can tell theirs apart. What is too short to spare that has none.
func Hint(secret string) string {
	const shown = len("gst_") + 4
	if len(secret) < 3*shown {
		return ""
	}
	return secret[:shown]
}

// NewID is a name for a key or a token that is safe to show.
func NewID() string { return strings.ToLower(rand.Text()[:12]) }

// Project is a tenant: a site or an application, and the rules that hold for its events.
type Project struct {
	ID   string `json:"id" yaml:"id" pattern:"^[A-Za-z0-9_.-]{1,64}$" doc:"Letters, digits, _ . and -, at most 64."`
	Name string `json:"name,omitempty" yaml:"name" maxLength:"128"`
	// As browsers send them (https://shop.example), or https://*.shop.example. Servers send no origin.
	AllowedOrigins  []string       `json:"allowed_origins,omitempty" yaml:"allowed_origins" maxItems:"64" doc:"Origins that browsers may send from; empty allows every one."`
	EventsPerSecond int            `json:"events_per_second,omitempty" yaml:"events_per_second" minimum:"0" doc:"Events a second at each agent; 0 sets no limit."`
	Burst           int            `json:"burst,omitempty" yaml:"burst" minimum:"0" doc:"Events at once; 0 is ten seconds' worth."`
	EventDays       int            `json:"event_days,omitempty" yaml:"event_days" minimum:"0" maximum:"3650" doc:"Days that events are kept; 0 is the installation's."`
	ReplayDays      int            `json:"replay_days,omitempty" yaml:"replay_days" minimum:"0" maximum:"3650" doc:"Days that replays are kept; 0 is the installation's."`
	Privacy         Privacy        `json:"privacy,omitzero" yaml:"privacy"`
	Detect          map[string]any `json:"detect,omitempty" yaml:"detect" doc:"Numbers of the signal rules that differ from the installation's, such as {\"rage\": {\"clicks\": 8}}."`
}

// Privacy is what a project's events lose at the edge beyond what the agents' own rules take out.
type Privacy struct {
	Patterns          []string `json:"patterns,omitempty" yaml:"patterns" maxItems:"32" doc:"Regular expressions (RE2); what they match in payloads and URLs is masked."`
	JSONPaths         []string `json:"json_paths,omitempty" yaml:"json_paths" maxItems:"64" doc:"Paths in payloads whose values are masked, such as props.address."`
	Params            []string `json:"params,omitempty" yaml:"params" maxItems:"64" doc:"Query parameters whose values are cut."`
	Phones            bool     `json:"phones,omitempty" yaml:"phones" doc:"Mask phone numbers in international form."`
	NationalIDs       bool     `json:"national_ids,omitempty" yaml:"national_ids" doc:"Mask national identity numbers."`
	UserIDKey         string   `json:"user_id_key,omitempty" yaml:"user_id_key" maxLength:"256" doc:"Replaces user ids by their HMAC-SHA256 under this key, at the edge."`
	ExcludedCountries []string `json:"excluded_countries,omitempty" yaml:"excluded_countries" maxItems:"250" doc:"Visits from these countries (ISO 3166, two letters) are not recorded."`
}

// User is what a user of the project is called behind the edge. Privacy without a key leaves the name as it is.
func (p Privacy) User(id string) string {
	if id == "" || p.UserIDKey == "" {
		return id
	}
	mac := hmac.New(sha256.New, []byte(p.UserIDKey))
	mac.Write([]byte(id))
	return "u_" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// Key lets a page or a server write to a project. Keys stand in pages and so are no secret, but guessing one is
// of no use.
type Key struct {
	ID        string `json:"id" yaml:"id"`
	Project   string `json:"project" yaml:"project"`
	Name      string `json:"name,omitempty" yaml:"name"`
	Sum       Sum    `json:"sum,omitempty" yaml:"sum"`
	Hint      string `json:"hint,omitempty" yaml:"-" doc:"How the secret begins."`
	CreatedAt int64  `json:"created_at,omitempty" yaml:"-" doc:"Unix milliseconds."`
	// In the future where a key was rotated and pages still have time to change over.
	RevokedAt int64 `json:"revoked_at,omitempty" yaml:"-" doc:"Unix milliseconds; 0 while it is good."`
}

// Good says whether the key may be used now.
func (k Key) Good(now time.Time) bool { return k.RevokedAt == 0 || now.UnixMilli() < k.RevokedAt }

// Role is what a token's bearer may do; each may do what those before it may.
type Role string

// The roles.
const (
	Viewer  Role = "viewer"  // sees figures and the list of visits
	Analyst Role = "analyst" // also sees what happened in a visit, and its replay
	Admin   Role = "admin"   // also manages settings, keys and tokens, erases and exports
)

var roles = []Role{Viewer, Analyst, Admin}

// Includes says whether r may do what other may.
func (r Role) Includes(other Role) bool {
	return r.valid() && slices.Index(roles, r) >= slices.Index(roles, other)
}

func (r Role) valid() bool { return slices.Contains(roles, r) }

// Token lets a person or a program read a project, or AllProjects.
type Token struct {
	ID        string `json:"id" yaml:"id"`
	Project   string `json:"project" yaml:"project"`
	Name      string `json:"name,omitempty" yaml:"name"`
	Role      Role   `json:"role" yaml:"role" enum:"viewer,analyst,admin"`
	Sum       Sum    `json:"sum,omitempty" yaml:"sum"`
	Hint      string `json:"hint,omitempty" yaml:"-" doc:"How the secret begins."`
	CreatedAt int64  `json:"created_at,omitempty" yaml:"-"`
	RevokedAt int64  `json:"revoked_at,omitempty" yaml:"-"`
}

// Good says whether the token may be used now.
func (t Token) Good(now time.Time) bool { return t.RevokedAt == 0 || now.UnixMilli() < t.RevokedAt }

// Agent is a credential to relay with.
type Agent struct {
	ID        string `json:"id" yaml:"id" doc:"The agent's name."`
	Sum       Sum    `json:"sum,omitempty" yaml:"sum"`
	Hint      string `json:"hint,omitempty" yaml:"-" doc:"How the secret begins."`
	CreatedAt int64  `json:"created_at,omitempty" yaml:"-"`
	RevokedAt int64  `json:"revoked_at,omitempty" yaml:"-"`
}

// Erasure is a request to forget a user or a session. While it is under way it names them; afterwards only their
// Tombstones are kept, which tell no name.
type Erasure struct {
	ID          string      `json:"id"`
	Project     string      `json:"project"`
	User        string      `json:"user,omitempty"`
	Sessions    []string    `json:"sessions,omitempty"`
	Tombstones  []Tombstone `json:"tombstones,omitempty"`
	RequestedAt int64       `json:"requested_at"`
	CompletedAt int64       `json:"completed_at,omitempty" doc:"Unix milliseconds; 0 while it is under way."`
	// Later arrivals are dropped until then: as long as the data would have been kept.
	Until int64 `json:"until"`
	// What was removed, by table, and dead letters.
	Removed map[string]uint64 `json:"removed,omitempty"`
}

// Tombstone says that a user or a session of a project is erased without saying who.
type Tombstone string

// UserTombstone is the mark of an erased user.
func UserTombstone(project, user string) Tombstone { return tombstone("user", project, user) }

// SessionTombstone is the mark of an erased session.
func SessionTombstone(project, session string) Tombstone {
	return tombstone("session", project, session)
}

func tombstone(kind, project, id string) Tombstone {
	sum := sha256.Sum256([]byte(kind + "\x00" + project + "\x00" + id))
	return Tombstone(hex.EncodeToString(sum[:16]))
}

var projectID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Validate says all that is wrong with a project's settings, each with its remedy.
func (p Project) Validate() error {
	var errs []error
	if !projectID.MatchString(p.ID) {
		errs = append(errs, fmt.Errorf("project id %q: letters, digits, _ . and - only, at most 64", p.ID))
	}
	for _, origin := range p.AllowedOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			errs = append(errs, fmt.Errorf("allowed origin %q: want scheme://host, as browsers send it", origin))
		}
	}
	for _, pattern := range p.Privacy.Patterns {
		if expression, err := regexp.Compile(pattern); err != nil {
			errs = append(errs, fmt.Errorf("privacy pattern %q: %w", pattern, err))
		} else if expression.MatchString("") {
			errs = append(errs, fmt.Errorf("privacy pattern %q matches nothing at all: it would mask everywhere", pattern))
		}
	}
	for _, country := range p.Privacy.ExcludedCountries {
		if len(country) != 2 || strings.ToUpper(country) != country {
			errs = append(errs, fmt.Errorf("excluded country %q: two capital letters, such as DE", country))
		}
	}
	if p.EventsPerSecond < 0 || p.Burst < 0 || p.EventDays < 0 || p.ReplayDays < 0 {
		errs = append(errs, errors.New("limits and days: 0 or more"))
	}
	return errors.Join(errs...)
}

// AllowsOrigin says whether a browser's page from origin may send. No origin is no browser.
func (p Project) AllowsOrigin(origin string) bool {
	if len(p.AllowedOrigins) == 0 || origin == "" {
		return true
	}
	return slices.ContainsFunc(p.AllowedOrigins, func(allowed string) bool {
		if before, after, ok := strings.Cut(allowed, "*."); ok {
			return strings.HasPrefix(origin, before) && strings.HasSuffix(origin, "."+after) &&
				len(origin) > len(before)+len(after)+1
		}
		return allowed == origin
	})
}

// NewErasure asks for a user or a session of a project to be forgotten, and what comes of them to be dropped until a
// time. The user is named as behind the edge (Privacy.User).
func NewErasure(project, user, session string, now, until time.Time) Erasure {
	e := Erasure{ID: NewID(), Project: project, User: user, RequestedAt: now.UnixMilli(), Until: until.UnixMilli()}
	if user != "" {
		e.Tombstones = append(e.Tombstones, UserTombstone(project, user))
	}
	if session != "" {
		e.Add(session)
	}
	return e
}

// Add adds sessions to what is erased.
func (e *Erasure) Add(sessions ...string) {
	e.Sessions, e.Tombstones = slices.Clone(e.Sessions), slices.Clone(e.Tombstones) // others may be reading them
	for _, session := range sessions {
		if !slices.Contains(e.Sessions, session) {
			e.Sessions = append(e.Sessions, session)
			e.Tombstones = append(e.Tombstones, SessionTombstone(e.Project, session))
		}
	}
}
