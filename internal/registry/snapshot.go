package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gosight/gosight/internal/detect"
)

// Snapshot is what agents need of the registry. Its zero value knows nothing.
type Snapshot struct {
	Projects []Project `json:"projects,omitempty"`
	// Revoked keys too: an agent may have the same key from its own configuration.
	Keys   []Key    `json:"keys,omitempty"`
	Erased []Erased `json:"erased,omitempty"`
}

// Erased is a tombstone and when it may be forgotten, Unix milliseconds.
type Erased struct {
	Mark  Tombstone `json:"mark"`
	Until int64     `json:"until"`
}

// MaxSnapshotBytes bounds what an agent takes: some 60,000 tombstones.
const MaxSnapshotBytes = 8 << 20

// Encode is the snapshot as it travels and as it is kept on disk, and its version: equal content has equal versions.
func (s *Snapshot) Encode() (version string, document []byte, err error) {
	if document, err = json.Marshal(s); err != nil {
		return "", nil, fmt.Errorf("encode registry snapshot: %w", err)
	}
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:8]), document, nil
}

// DecodeSnapshot reads what Encode wrote, from a peer or a disk that may be damaged. What it returns is valid.
func DecodeSnapshot(document []byte) (*Snapshot, error) {
	if len(document) > MaxSnapshotBytes {
		return nil, fmt.Errorf("registry snapshot of %d bytes, limit %d", len(document), MaxSnapshotBytes)
	}
	var s Snapshot
	if err := json.Unmarshal(document, &s); err != nil {
		return nil, fmt.Errorf("decode registry snapshot: %w", err)
	}
	var errs []error
	for _, project := range s.Projects {
		errs = append(errs, project.Validate())
	}
	for _, key := range s.Keys {
		if len(key.Sum) != 2*sha256.Size || key.Project == "" {
			errs = append(errs, fmt.Errorf("key %q has no sum or no project", key.ID))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("registry snapshot: %w", err)
	}
	return &s, nil
}

// Index answers questions about a Snapshot. It is not changed after NewIndex, so many goroutines may ask.
type Index struct {
	projects map[string]*Project
	keys     map[Sum]Key
	erased   map[Tombstone]int64
}

// NewIndex prepares a snapshot for being asked.
func NewIndex(s *Snapshot) *Index {
	x := &Index{
		projects: make(map[string]*Project, len(s.Projects)), keys: make(map[Sum]Key, len(s.Keys)),
		erased: make(map[Tombstone]int64, len(s.Erased)),
	}
	for i := range s.Projects {
		x.projects[s.Projects[i].ID] = &s.Projects[i]
	}
	for _, key := range s.Keys {
		x.keys[key.Sum] = key
	}
	for _, gone := range s.Erased {
		x.erased[gone.Mark] = max(x.erased[gone.Mark], gone.Until)
	}
	return x
}

// Key returns the key with this secret, revoked ones too.
func (x *Index) Key(secret string) (Key, bool) {
	key, ok := x.keys[SumOf(secret)]
	return key, ok
}

// Project returns a project's settings; nil where it has none of its own.
func (x *Index) Project(id string) *Project { return x.projects[id] }

// Projects are those with settings of their own.
func (x *Index) Projects() map[string]*Project { return x.projects }

// DetectRules are the projects' own numbers of the signal rules, as detect.Live takes them.
func (x *Index) DetectRules() map[string]detect.Override {
	rules := map[string]detect.Override{}
	for id, project := range x.projects {
		if len(project.Detect) == 0 {
			continue
		}
		if override, err := json.Marshal(project.Detect); err == nil { // it came as JSON or YAML
			rules[id] = override
		}
	}
	return rules
}

// AnyErased says whether asking Erased is worth it.
func (x *Index) AnyErased() bool { return len(x.erased) > 0 }

// Erased says whether what comes of this user or session is to be dropped.
func (x *Index) Erased(project, user, session string, now time.Time) bool {
	if len(x.erased) == 0 {
		return false
	}
	ms := now.UnixMilli()
	return ms < x.erased[SessionTombstone(project, session)] ||
		user != "" && ms < x.erased[UserTombstone(project, user)]
}
