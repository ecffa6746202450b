package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/registry"
)

// Person is one user or one session.
type Person struct {
	User    string `json:"user,omitempty" query:"user" maxLength:"256" doc:"A user, as the site calls them."`
	Session string `json:"session,omitempty" query:"session" maxLength:"128" doc:"A session, in place of a user."`
}

func (p Person) check() error {
	if (p.User == "") == (p.Session == "") {
		return huma.Error422UnprocessableEntity("name a user or a session, one of them")
	}
	return nil
}

type eraseInput struct {
	ProjectScope
	Body Person
}

type erasureOutput struct{ Body registry.Erasure }

type erasuresOutput struct {
	Body struct {
		Erasures []registry.Erasure `json:"erasures"`
	}
}

type personInput struct {
	ProjectScope
	Person
}

type auditInput struct {
	ProjectScope
	Before  int64  `query:"before" minimum:"0" doc:"Unix milliseconds; 0 is now."`
	Subject string `query:"subject" maxLength:"256" doc:"Only what was done to this: a key, a token, a session, an erasure."`
	Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type auditOutput struct {
	Body struct {
		Entries []store.AuditEntry `json:"entries"`
	}
}

// forEver is how long an erasure blocks where data is kept for ever.
const forEver = 100 * 365 * 24 * time.Hour

func (s *Server) registerErasure(api huma.API) {
	operation(s, api, http.MethodPost, "/erasures", "erase", "Erase all that is known of a user or a session",
		func(ctx context.Context, in *eraseInput) (*erasureOutput, error) {
			if err := in.Body.check(); err != nil {
				return nil, err
			}
			settings := s.settings(in.Project)
			keep := forEver
			if days := settings.EventDays; days > 0 {
				keep = time.Duration(days) * 24 * time.Hour
			} else if days := s.store.EventDays(); days > 0 {
				keep = time.Duration(days) * 24 * time.Hour
			}
			now := time.Now()
			user := settings.Privacy.User(in.Body.User)
			erasure := registry.NewErasure(in.Project, user, in.Body.Session, now, now.Add(keep))
			if user != "" { // their sessions go too, whoever they are said to be of
				sessions, err := s.store.SessionsOf(ctx, in.Project, user)
				if err != nil {
					return nil, err
				}
				erasure.Add(sessions...)
			}
			err := s.change(ctx, in.Project, "erase", erasure.ID, s.access.PutErasure(ctx, erasure))
			return &erasureOutput{Body: erasure}, err
		})
	get(s, api, "/erasures", "list-erasures", "Erasures and how far they are",
		func(_ context.Context, in *ProjectScope) (*erasuresOutput, error) {
			out := &erasuresOutput{}
			out.Body.Erasures = []registry.Erasure{}
			for _, erasure := range s.access.State().Erasures {
				if erasure.Project == in.Project {
					out.Body.Erasures = append(out.Body.Erasures, erasure)
				}
			}
			return out, nil
		})
	export(s, api, "/person", "export-person", "All that is known of a user or a session, as lines of JSON",
		func(in *personInput) (ExportFormat, written, error) {
			return ExportFormat{Format: "ndjson"}, func(ctx context.Context, to io.Writer) error {
				user, sessions := s.settings(in.Project).Privacy.User(in.User), []string{in.Session}
				if user != "" {
					var err error
					if sessions, err = s.store.SessionsOf(ctx, in.Project, user); err != nil {
						return err
					}
				}
				if err := s.audit(ctx, in.Project, "person.export", subjectOf(in.Project, user, in.Session), ""); err != nil {
					return err
				}
				return s.store.ExportSessionsWhole(ctx, in.Project, sessions, to)
			}, in.check()
		})
	get(s, api, "/audit", "list-audit-log", "Who read replays, exported, erased and changed settings, the latest first",
		func(ctx context.Context, in *auditInput) (*auditOutput, error) {
			before := in.Before
			if before == 0 {
				before = time.Now().Add(time.Minute).UnixMilli()
			}
			out := &auditOutput{}
			var err error
			out.Body.Entries, err = in.reader(s).AuditLog(ctx, before, in.Subject, in.Limit)
			return out, err
		})
}

// subjectOf names a person in the audit log, which outlives them.
func subjectOf(project, user, session string) string {
	if user != "" {
		return string(registry.UserTombstone(project, user))
	}
	return session
}

func (s *Server) settings(project string) registry.Project {
	for _, known := range s.access.State().Projects {
		if known.ID == project {
			return known
		}
	}
	return registry.Project{ID: project}
}

// audit writes down who does what.
func (s *Server) audit(ctx context.Context, project, action, subject, detail string) error {
	err := s.store.Audit(ctx, store.AuditEntry{
		At: time.Now().UnixMilli(), Project: project, Actor: identityOf(ctx).name, Action: action, Subject: subject, Detail: detail,
	})
	if err != nil {
		return fmt.Errorf("write it into the audit log: %w", err)
	}
	return nil
}

// Readings of one visit by one person within this time are one entry: a replay is read in many chunks.
const oneReading = 10 * time.Minute

// readings remembers whose reading of what is in the audit log already.
type readings struct {
	*lru.Cache[[3]string, time.Time]
}

func newReadings() readings {
	cache, err := lru.New[[3]string, time.Time](4096)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return readings{cache}
}

// auditReading writes down that a replay is read. Where that fails nothing is shown.
func (s *Server) auditReading(ctx context.Context, project, session string) error {
	reading := [3]string{identityOf(ctx).name, project, session}
	if at, ok := s.readings.Get(reading); ok && time.Since(at) < oneReading {
		return nil
	}
	if err := s.audit(ctx, project, "replay.read", session, ""); err != nil {
		return err
	}
	s.readings.Add(reading, time.Now())
	return nil
}
