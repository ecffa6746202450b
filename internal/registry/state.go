package registry

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// State is the whole registry, as the centre has it. Lists are sorted by id.
type State struct {
	Projects []Project `yaml:"projects"`
	Keys     []Key     `yaml:"keys"`
	Tokens   []Token   `yaml:"tokens"`
	Agents   []Agent   `yaml:"agents"`
	Erasures []Erasure `yaml:"-"`
}

// Sort orders the lists, so that equal content encodes alike.
func (s *State) Sort() {
	slices.SortFunc(s.Projects, func(a, b Project) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Keys, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Tokens, func(a, b Token) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Agents, func(a, b Agent) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Erasures, func(a, b Erasure) int { return strings.Compare(a.ID, b.ID) })
}

// Snapshot is the part of the state that agents need, without what is out of date.
func (s *State) Snapshot(now time.Time) *Snapshot {
	out := &Snapshot{Projects: s.Projects, Keys: s.Keys}
	for _, erasure := range s.Erasures {
		if now.UnixMilli() >= erasure.Until {
			continue
		}
		for _, mark := range erasure.Tombstones {
			out.Erased = append(out.Erased, Erased{Mark: mark, Until: erasure.Until})
		}
	}
	return out
}

// Token returns the token with this secret while it is good.
func (s *State) Token(secret string, now time.Time) (Token, bool) {
	sum := SumOf(secret)
	for _, token := range s.Tokens {
		if token.Sum == sum && token.Good(now) {
			return token, true
		}
	}
	return Token{}, false
}

// TokenByID returns a token while it is good.
func (s *State) TokenByID(id string, now time.Time) (Token, bool) {
	for _, token := range s.Tokens {
		if token.ID == id && token.Good(now) {
			return token, true
		}
	}
	return Token{}, false
}

// Agent returns the name of the agent whose secret this is.
func (s *State) Agent(secret string, now time.Time) (name string, ok bool) {
	sum := SumOf(secret)
	for _, agent := range s.Agents {
		if agent.Sum == sum && (agent.RevokedAt == 0 || now.UnixMilli() < agent.RevokedAt) {
			return agent.ID, true
		}
	}
	return "", false
}

// LoadFile reads a registry that is kept as YAML: projects, keys, tokens and agents, secrets as their sums
// (`printf %s SECRET | sha256sum`).
func LoadFile(path string) (*State, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the registry's file: %w", err)
	}
	var s State
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for _, project := range s.Projects {
		if err := project.Validate(); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	for i, key := range s.Keys {
		if err := kept(&s.Keys[i].ID, key.Sum, key.Project); err != nil {
			return nil, fmt.Errorf("read %s: key %d: %w", path, i+1, err)
		}
	}
	for i, token := range s.Tokens {
		if err := kept(&s.Tokens[i].ID, token.Sum, token.Project); err != nil || !token.Role.valid() {
			return nil, fmt.Errorf("read %s: token %d: want a project, a sum and a role (viewer, analyst, admin): %w",
				path, i+1, err)
		}
	}
	for i, agent := range s.Agents {
		if err := kept(&s.Agents[i].ID, agent.Sum, AllProjects); err != nil {
			return nil, fmt.Errorf("read %s: agent %d: %w", path, i+1, err)
		}
	}
	s.Sort()
	return &s, nil
}

// kept checks an entry of the file, and names it after its sum where it has no name.
func kept(id *string, sum Sum, project string) error {
	if len(sum) != 64 || project == "" {
		return fmt.Errorf("want a project and the sum of its secret, 64 hexadecimal digits")
	}
	if *id == "" {
		*id = string(sum[:12])
	}
	return nil
}
