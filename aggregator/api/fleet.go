package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

type fleetOutput struct {
	Body struct {
		At      int64             `json:"at" doc:"Unix milliseconds."`
		Agents  []store.AgentFlow `json:"agents" doc:"Agents whose events arrived within ten minutes."`
		Nodes   []GossipNode      `json:"nodes" doc:"Programs that gossip knows to be alive."`
		Members []Member          `json:"members" doc:"Programs whose metrics are read (--api-fleet)."`
		Tables  []store.TableSize `json:"tables"`
	}
}

// GossipNode is a program that is alive, as it says of itself.
type GossipNode struct {
	ID       string `json:"id"`
	Role     string `json:"role" enum:"agent,aggregator"`
	Region   string `json:"region"`
	Load     int    `json:"load" doc:"How busy it is, in percent, in steps of ten."`
	Draining bool   `json:"draining" doc:"It is going away."`
}

func (s *Server) gossip() []GossipNode {
	nodes := []GossipNode{}
	if s.nodes == nil {
		return nodes
	}
	for _, n := range s.nodes() {
		nodes = append(nodes, GossipNode{ID: n.ID, Role: string(n.Role), Region: n.Region, Load: n.Load, Draining: n.Draining})
	}
	return nodes
}

func (s *Server) registerFleet(api huma.API) {
	get(s, api, "/fleet", "get-fleet", "Health of the pipeline: agents, queues, lag, refusals by reason, throughput",
		func(ctx context.Context, _ *struct{}) (*fleetOutput, error) {
			out := &fleetOutput{}
			out.Body.At, out.Body.Members = s.members.state()
			out.Body.Nodes = s.gossip()
			var err error
			if out.Body.Agents, err = s.store.Flows(ctx); err != nil {
				return nil, err
			}
			out.Body.Tables, err = s.store.Tables(ctx)
			return out, err
		})
}
