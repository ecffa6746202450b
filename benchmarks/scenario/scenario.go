// Package scenario reads what a benchmark does from its file, and does it.
package scenario

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Scenario is one file of benchmarks/scenarios.
type Scenario struct {
	Name  string `yaml:"-"`
	About string `yaml:"about"`
	// Kind is what is done: rate (each of Rates for Duration), max (search upwards), spill, bandwidth, fanin, query,
	// compare (rate, and then the same on a peer).
	Kind string `yaml:"kind"`
	// Shape is up (one process as in `gosight up`) or chain (agent, aggregator, Kafka and ClickHouse apart, so
	// that CPU can be told apart).
	Shape string `yaml:"shape"`
	// KafkaOnly measures until Kafka has everything; it is loaded afterwards, for the comparison.
	KafkaOnly bool `yaml:"kafka_only"`

	// Traffic is visits (people on a shop, with replay) or reference (the reference event).
	Traffic  string        `yaml:"traffic"`
	Visitors int           `yaml:"visitors"`
	Rates    []float64     `yaml:"rates"`
	Duration time.Duration `yaml:"duration"`
	Batch    int           `yaml:"batch"`
	// Workers are the batches that may be under way; they share Connections gRPC connections.
	Workers     int `yaml:"workers"`
	Connections int `yaml:"connections"`
	// Browsers is the share of workers that send as browsers do, over HTTP.
	Browsers float64 `yaml:"browsers"`
	Compress bool    `yaml:"compress"`

	// Max search: from Rates[0] by Factor until a step fails, then Refine halvings of the last gap.
	Factor float64 `yaml:"factor"`
	Refine int     `yaml:"refine"`
	// Spill: the aggregator is killed at Away and comes back at Back.
	Away time.Duration `yaml:"away"`
	Back time.Duration `yaml:"back"`
	// Fan-in: how many SDK connections, one run each.
	Clients []int `yaml:"clients"`

	// Query: how much history there is, and how often each screen is asked for.
	Events   int `yaml:"events"`
	Sessions int `yaml:"sessions"`
	Asked    int `yaml:"asked"`

	Limits Limits `yaml:"limits"`
}

// Limits fail a run that is beyond them; 0 is no limit.
type Limits struct {
	AckP50 time.Duration `yaml:"ack_p50"`
	AckP99 time.Duration `yaml:"ack_p99"`
	LagP99 time.Duration `yaml:"lag_p99"`
	// Drain is how long after the last ack everything must be counted.
	Drain time.Duration `yaml:"drain"`
	// Achieved is the least share of the offered rate.
	Achieved float64 `yaml:"achieved"`
}

// Read reads the scenario NAME.yaml; in its short form, what stands under "short" goes over the rest.
func Read(files embed.FS, name string, short bool) (*Scenario, error) {
	text, err := files.ReadFile(path.Join("scenarios", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("no scenario %q: there are %s", name, strings.Join(Names(files), ", "))
	}
	return parse(name, text, short)
}

func parse(name string, text []byte, short bool) (*Scenario, error) {
	file := struct {
		Scenario `yaml:",inline"`
		Short    yaml.Node `yaml:"short"`
	}{Scenario: Scenario{
		Name: name, Shape: "up", Traffic: "visits", Visitors: 500, Batch: 40, Workers: 64, Connections: 4, Factor: 1.5,
	}}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", name, err)
	}
	s := &file.Scenario
	if short && !file.Short.IsZero() {
		if err := file.Short.Decode(s); err != nil {
			return nil, fmt.Errorf("read short form of scenario %s: %w", name, err)
		}
	}
	return s, s.Validate()
}

// Validate says what is wrong with a scenario.
func (s *Scenario) Validate() error {
	var errs []error
	kinds := []string{"rate", "max", "spill", "bandwidth", "fanin", "query", "compare"}
	if !slices.Contains(kinds, s.Kind) {
		errs = append(errs, fmt.Errorf("kind %q is none of %v", s.Kind, kinds))
	}
	if s.Shape != "up" && s.Shape != "chain" {
		errs = append(errs, fmt.Errorf("shape %q is neither up nor chain", s.Shape))
	}
	if s.Traffic != "visits" && s.Traffic != "reference" {
		errs = append(errs, fmt.Errorf("traffic %q is neither visits nor reference", s.Traffic))
	}
	if s.Kind == "query" && (s.Events <= 0 || s.Sessions <= 0 || s.Asked <= 0) {
		errs = append(errs, errors.New("events, sessions and asked must be given"))
	}
	if s.Kind != "bandwidth" && s.Kind != "query" && (len(s.Rates) == 0 || s.Duration <= 0) {
		errs = append(errs, errors.New("rates and duration must be given"))
	}
	if (s.Kind == "spill" || s.KafkaOnly) && s.Shape != "chain" {
		errs = append(errs, errors.New("spill and kafka_only need the shape chain, where the aggregator is apart"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return nil
}

// Names lists the scenarios.
func Names(files embed.FS) []string {
	entries, _ := files.ReadDir("scenarios") // embedded: it is there
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	return names
}
