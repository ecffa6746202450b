package ingest

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gosight/gosight/internal/fleet"
)

// agentsAge is how long the list of agents is given out as it is, here and by caches on the way.
const agentsAge = 2 * time.Second

// agentList is what SDKs choose the nearest agent from:
//
//	{"agents":[{"region":"eu","url":"https://eu.example.com","grpc":"eu.example.com:7710","draining":false,"load":10}]}
//
// load is in percent. Agents that were not told their public address are left out; the one that answers is always
// there, with "self":true, and without url and grpc where it does not know better than the SDK that asked it.
type agentList struct {
	nodes func() []fleet.Node
	self  string

	mu   sync.Mutex
	text []byte
	made time.Time
}

type listedAgent struct {
	Region   string `json:"region"`
	URL      string `json:"url,omitempty"`
	GRPC     string `json:"grpc,omitempty"`
	Draining bool   `json:"draining"`
	Load     int    `json:"load"`
	Self     bool   `json:"self,omitempty"`
}

func (l *agentList) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// SDKs that measure ask past caches.
	w.Header().Set("Cache-Control", "public, max-age=2")
	_, _ = w.Write(l.at(time.Now())) // who is gone needs no list
}

func (l *agentList) at(now time.Time) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text != nil && now.Sub(l.made) < agentsAge {
		return l.text
	}
	list := struct {
		Agents []listedAgent `json:"agents"`
	}{[]listedAgent{}}
	for _, n := range l.nodes() {
		self := n.ID == l.self
		if n.Role == fleet.Agent && (self || n.URL != "" || n.GRPC != "") {
			list.Agents = append(list.Agents, listedAgent{n.Region, n.URL, n.GRPC, n.Draining, n.Load, self})
		}
	}
	l.text, _ = json.Marshal(list) // strings, numbers and bools
	l.made = now
	return l.text
}
