// Package enrich adds to an event what the agent knows and the page does not: browser, operating system and
// device from the user agent, geography from the address. It is where the raw address ends: nothing behind it
// sees one.
package enrich

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/mileusna/useragent"

	"github.com/gosight/gosight/internal/config"
)

// Metadata keys that clients may fill and that never leave the region.
const (
	keyIP        = "ip"
	keyUserAgent = "user_agent"
)

// parsedAgents is how many user agents are remembered: a region sees few hundred at a time, and parsing one costs
// some 10 µs.
const parsedAgents = 4096

// maxUserAgent is what is read of a user agent, in bytes: real ones are below 512.
const maxUserAgent = 1024

// Config says what is added.
type Config struct {
	GeoDB      string `help:"MMDB file with countries or cities; one that is moved into its place is picked up. Empty adds no geography." type:"path"`
	TruncateIP bool   `help:"Keep the address's network (/24 or /48) as metadata ip_network; the address itself is always dropped."`
}

// Default adds what needs no file.
func Default() Config { return config.Default[Config]() }

// Enricher is safe for many goroutines.
type Enricher struct {
	cfg    Config
	fixed  map[string]string
	agents *lru.Cache[string, client]
	geo    *geography // nil without a database
}

type client struct{ browser, version, os, device string }

// New opens the geography database. fixed is added to everything (agent, agent_region).
func New(cfg Config, fixed map[string]string) (*Enricher, error) {
	agents, err := lru.New[string, client](parsedAgents)
	if err != nil {
		return nil, fmt.Errorf("remember user agents: %w", err)
	}
	e := &Enricher{cfg: cfg, fixed: fixed, agents: agents}
	if cfg.GeoDB != "" {
		if e.geo, err = openGeography(cfg.GeoDB); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Watch follows the geography database's file until ctx ends; failed counts files that are no database.
func (e *Enricher) Watch(ctx context.Context, failed func(), log *slog.Logger) {
	if e.geo != nil {
		e.geo.files.Watch(ctx, geographyInterval, failed, log)
	}
}

// Close gives the geography database back. Nothing may be enriched or watched any more.
func (e *Enricher) Close() error {
	if e.geo == nil {
		return nil
	}
	return e.geo.current.Load().Close()
}

// Enrich returns metadata with what addr and userAgent tell. What the client itself said of browser, os, device
// and country stays; an "ip" or "user_agent" entry, which servers that report for their visitors set, is used in
// place of the connection's and removed. The given map is changed and returned, or a new one where it is nil.
func (e *Enricher) Enrich(metadata map[string]string, addr netip.Addr, userAgent string) map[string]string {
	if metadata == nil {
		metadata = make(map[string]string, 8)
	}
	if said, ok := metadata[keyIP]; ok {
		delete(metadata, keyIP)
		addr, _ = netip.ParseAddr(said)
	}
	if said, ok := metadata[keyUserAgent]; ok {
		delete(metadata, keyUserAgent)
		userAgent = said
	}
	if userAgent != "" {
		c := e.parse(userAgent)
		setDefault(metadata, "browser", c.browser)
		setDefault(metadata, "browser_version", c.version)
		setDefault(metadata, "os", c.os)
		setDefault(metadata, "device", c.device)
	}
	e.locate(metadata, addr.Unmap())
	for key, value := range e.fixed {
		metadata[key] = value
	}
	return metadata
}

// Own does to the metadata that one event has apart from its batch what Enrich does to the batch's: what a server
// reported of its visitor is used and removed. The given map is changed and returned.
func (e *Enricher) Own(metadata map[string]string) map[string]string {
	_, hasIP := metadata[keyIP]
	_, hasUserAgent := metadata[keyUserAgent]
	if !hasIP && !hasUserAgent {
		return metadata
	}
	return e.Enrich(metadata, netip.Addr{}, "")
}

func (e *Enricher) parse(userAgent string) client {
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	if c, ok := e.agents.Get(userAgent); ok {
		return c
	}
	userAgent = strings.Clone(userAgent) // it may be part of a request, all of which would be kept with it
	ua := useragent.Parse(userAgent)
	c := client{browser: ua.Name, version: ua.Version, os: ua.OS}
	switch {
	case ua.Bot:
		c.device = "bot"
	case ua.Tablet:
		c.device = "tablet"
	case ua.Mobile:
		c.device = "mobile"
	case ua.Desktop:
		c.device = "desktop"
	}
	e.agents.Add(userAgent, c)
	return c
}

func (e *Enricher) locate(metadata map[string]string, addr netip.Addr) {
	if !addr.IsValid() {
		return
	}
	if e.cfg.TruncateIP {
		bits := 24
		if addr.Is6() {
			bits = 48
		}
		if network, err := addr.Prefix(bits); err == nil {
			metadata["ip_network"] = network.String()
		}
	}
	if e.geo == nil || addr.IsLoopback() || addr.IsPrivate() {
		return
	}
	place := e.geo.current.Load().lookup(addr)
	setDefault(metadata, "country", place.country)
	setDefault(metadata, "region", place.region)
	setDefault(metadata, "city", place.city)
}

func setDefault(metadata map[string]string, key, value string) {
	if value == "" {
		return
	}
	if _, ok := metadata[key]; !ok {
		metadata[key] = value
	}
}
