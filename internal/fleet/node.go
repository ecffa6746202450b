package fleet

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/memberlist"
)

// Role is what a member of the fleet does.
type Role string

// The roles.
const (
	Agent      Role = "agent"
	Aggregator Role = "aggregator"
)

// Node is what the fleet is told of one of its members. Encoded it takes at most 512 bytes.
type Node struct {
	// ID is unique among the nodes of a role.
	ID     string `json:"-"`
	Role   Role   `json:"-"`
	Region string `json:"r,omitempty"`
	// Relay is where an aggregator takes frames, as host:port. Without a host it is the node's gossip address.
	Relay string `json:"a,omitempty"`
	// URL is where browsers reach an agent, and GRPC where servers do, as host:port; empty: they are not told.
	URL  string `json:"u,omitempty"`
	GRPC string `json:"g,omitempty"`
	// Draining: it is going away, send nothing more.
	Draining bool `json:"d,omitempty"`
	// Load is how busy it is, in percent, told in steps of ten.
	Load int `json:"l,omitempty"`
}

// Gossip knows a node by its role and id, so that an agent and an aggregator on one machine may share a name.
func (n Node) name() string { return string(n.Role) + "/" + n.ID }

func (n Node) encode() ([]byte, error) {
	n.Load = min(max(n.Load, 0), 100) / 10 * 10
	text, err := json.Marshal(n)
	if err == nil && len(text) > memberlist.MetaMaxSize {
		err = fmt.Errorf("%d bytes, at most %d: shorten region and public addresses", len(text), memberlist.MetaMaxSize)
	}
	if err != nil {
		return nil, fmt.Errorf("encode what the fleet is told of this node: %w", err)
	}
	return text, nil
}

var errNoRole = errors.New("a name that is not role/id")

// decodeNode reads what another node says of itself.
func decodeNode(name string, meta []byte) (Node, error) {
	var n Node
	for _, role := range []Role{Agent, Aggregator} {
		if prefix := string(role) + "/"; len(name) > len(prefix) && name[:len(prefix)] == prefix {
			n.Role, n.ID = role, name[len(prefix):]
		}
	}
	if n.Role == "" {
		return Node{}, errNoRole
	}
	if err := json.Unmarshal(meta, &n); err != nil {
		return Node{}, fmt.Errorf("decode node: %w", err)
	}
	n.Load = min(max(n.Load, 0), 100)
	return n, nil
}
