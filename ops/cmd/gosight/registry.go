package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gosight/gosight/internal/registry"
)

// centre is the aggregator whose API the commands for projects, keys and people talk to.
type centre struct {
	Server  string `help:"Address of the aggregator's API." default:"http://127.0.0.1:7721" placeholder:"URL"`
	Token   string `help:"Admin token; default is that of the standalone in --data." placeholder:"TOKEN"`
	Data    string `help:"Data directory of a standalone on this machine." default:"./data" placeholder:"DIR"`
	Project string `help:"Whose." default:"default" placeholder:"PROJECT"`
}

func (c centre) token() (string, error) {
	if c.Token != "" {
		return c.Token, nil
	}
	text, err := os.ReadFile(filepath.Join(c.Data, "keys.json"))
	var kept struct {
		AdminToken string `json:"admin_token"`
	}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return "", fmt.Errorf("no --token, and none in a standalone's data directory: %w", err)
	}
	return kept.AdminToken, nil
}

// call sends in as JSON, where it is not nil, and returns the answer's body.
func (c centre) call(ctx context.Context, method, path string, query url.Values, in any) (io.ReadCloser, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	body := []byte(nil)
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	target := c.Server + "/api/v1" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the aggregator (--server names another): %w", err)
	}
	if answer.StatusCode < 300 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var problem struct{ Detail string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&problem) // a proxy's page has no detail
	return nil, fmt.Errorf("the aggregator says %s: %s", answer.Status, problem.Detail)
}

func (c centre) of() url.Values { return url.Values{"project": {c.Project}} }

// print shows the answer as it came.
func (c centre) print(ctx context.Context, method, path string, query url.Values, in any) error {
	body, err := c.call(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(os.Stdout, body)
	return err
}

type projectCommand struct {
	centre `embed:""`
	Show   projectShow `cmd:"" help:"Print a project's settings as JSON."`
	List   projectList `cmd:"" help:"List projects."`
	Set    projectSet  `cmd:"" help:"Write a project's settings from a file, over those it had; it is made where it is new."`
}

type (
	projectShow struct{}
	projectList struct{}
	projectSet  struct {
		File string `arg:"" help:"YAML or JSON with the settings: allowed_origins, events_per_second, event_days, privacy, detect, …" type:"existingfile"`
	}
)

func (projectShow) Run(ctx context.Context, p *projectCommand) error {
	return p.print(ctx, "GET", "/project", p.of(), nil)
}

func (projectList) Run(ctx context.Context, p *projectCommand) error {
	return p.print(ctx, "GET", "/projects", nil, nil)
}

func (c projectSet) Run(ctx context.Context, p *projectCommand) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	var project registry.Project
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&project); err != nil {
		return fmt.Errorf("read %s: %w", c.File, err)
	}
	project.ID = p.Project
	return p.print(ctx, "PUT", "/project", p.of(), project)
}

type keyCommand struct {
	centre `embed:""`
	List   keyList   `cmd:"" help:"List write keys."`
	Create keyCreate `cmd:"" help:"Make a write key; it is shown once."`
	Rotate keyRotate `cmd:"" help:"Make a key in place of another, which stays good for a while."`
	Revoke keyRevoke `cmd:"" help:"Revoke a write key: every agent refuses it within 10 seconds."`
}

type (
	keyList   struct{}
	keyCreate struct {
		Name string `arg:"" optional:"" help:"What it is for."`
	}
	keyRotate struct {
		ID    string        `arg:"" help:"The key's id, see list."`
		After time.Duration `help:"How long the old key stays good." default:"168h"`
	}
	keyRevoke struct {
		ID string `arg:"" help:"The key's id, see list."`
	}
)

func (keyList) Run(ctx context.Context, k *keyCommand) error {
	return k.print(ctx, "GET", "/keys", k.of(), nil)
}

func (c keyCreate) Run(ctx context.Context, k *keyCommand) error {
	return k.print(ctx, "POST", "/keys", k.of(), map[string]string{"name": c.Name})
}

func (c keyRotate) Run(ctx context.Context, k *keyCommand) error {
	body := map[string]int{"after_seconds": int(c.After.Seconds())}
	return k.print(ctx, "POST", "/keys/"+url.PathEscape(c.ID)+"/rotate", k.of(), body)
}

func (c keyRevoke) Run(ctx context.Context, k *keyCommand) error {
	return k.print(ctx, "DELETE", "/keys/"+url.PathEscape(c.ID), k.of(), nil)
}

type tokenCommand struct {
	centre `embed:""`
	List   tokenList   `cmd:"" help:"List read tokens; --project='*' lists those for all projects."`
	Create tokenCreate `cmd:"" help:"Make a read token; it is shown once."`
	Revoke tokenRevoke `cmd:"" help:"Revoke a read token, and the sign-ins made with it."`
}

type (
	tokenList   struct{}
	tokenCreate struct {
		Role string `help:"What it may do." enum:"viewer,analyst,admin" default:"viewer"`
		Name string `arg:"" optional:"" help:"Whose it is."`
	}
	tokenRevoke struct {
		ID string `arg:"" help:"The token's id, see list."`
	}
)

func (tokenList) Run(ctx context.Context, t *tokenCommand) error {
	return t.print(ctx, "GET", "/tokens", t.of(), nil)
}

func (c tokenCreate) Run(ctx context.Context, t *tokenCommand) error {
	return t.print(ctx, "POST", "/tokens", t.of(), map[string]string{"name": c.Name, "role": c.Role})
}

func (c tokenRevoke) Run(ctx context.Context, t *tokenCommand) error {
	return t.print(ctx, "DELETE", "/tokens/"+url.PathEscape(c.ID), t.of(), nil)
}

type agentCommand struct {
	centre `embed:""`
	List   agentList   `cmd:"" help:"List agents with a token of the registry."`
	Create agentCreate `cmd:"" help:"Make an agent's token (its --forward-token), in place of the one it had; it is shown once."`
	Revoke agentRevoke `cmd:"" help:"Revoke an agent's token."`
}

type (
	agentList   struct{}
	agentCreate struct {
		Name string `arg:"" help:"The agent's name."`
	}
	agentRevoke struct {
		Name string `arg:"" help:"The agent's name."`
	}
)

func (agentList) Run(ctx context.Context, a *agentCommand) error {
	return a.print(ctx, "GET", "/agents", nil, nil)
}

func (c agentCreate) Run(ctx context.Context, a *agentCommand) error {
	return a.print(ctx, "POST", "/agents", nil, map[string]string{"name": c.Name})
}

func (c agentRevoke) Run(ctx context.Context, a *agentCommand) error {
	return a.print(ctx, "DELETE", "/agents/"+url.PathEscape(c.Name), nil, nil)
}

// eraseCommand forgets a user or a session.
type eraseCommand struct {
	centre  `embed:""`
	User    string `help:"The user, as the site calls them." xor:"who"`
	Session string `help:"The session." xor:"who"`
	Export  bool   `help:"Print all that is known as lines of JSON, and erase nothing."`
	NoWait  bool   `help:"Return as soon as the erasure is asked for; list-erasures of the API tells how far it is."`
}

// Run waits until nothing is left, and prints what was removed.
func (e eraseCommand) Run(ctx context.Context) error {
	if e.User == "" && e.Session == "" {
		return errors.New("say who: --user or --session")
	}
	who := map[string]string{"user": e.User}
	if e.Session != "" {
		who = map[string]string{"session": e.Session}
	}
	if e.Export {
		query := e.of()
		for key, value := range who {
			query.Set(key, value)
		}
		return e.print(ctx, "GET", "/person", query, nil)
	}
	var erasure registry.Erasure
	if err := e.read(ctx, "POST", "/erasures", who, &erasure); err != nil {
		return err
	}
	for !e.NoWait && erasure.CompletedAt == 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the erasure %s goes on without us: %w", erasure.ID, ctx.Err())
		case <-time.After(time.Second):
		}
		var all struct{ Erasures []registry.Erasure }
		if err := e.read(ctx, "GET", "/erasures", nil, &all); err != nil {
			return err
		}
		for _, one := range all.Erasures {
			if one.ID == erasure.ID {
				erasure = one
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(erasure)
}

func (e eraseCommand) read(ctx context.Context, method, path string, in, out any) error {
	body, err := e.call(ctx, method, path, e.of(), in)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("read the aggregator's answer: %w", err)
	}
	return nil
}
