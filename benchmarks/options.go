package main

import (
	"cmp"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gosight/gosight/benchmarks/scenario"
)

type options struct {
	short, exact                    bool
	bin, out, ready, data, profiles string
	rates                           []float64
	duration                        time.Duration
}

func parseFlags() options {
	var o options
	flag.BoolVar(&o.short, "short", false, "the short form of each scenario")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.StringVar(&o.out, "out", "benchmarks/results", "folder for the results; empty writes none")
	flag.StringVar(&o.ready, "ready-file", "", "measure the running system that wrote this file, instead of starting one")
	flag.StringVar(&o.data, "data", "", "folder for the systems' data; by default a temporary one")
	flag.StringVar(&o.profiles, "profiles", "", "folder for CPU and heap profiles of agent, aggregator and generator")
	flag.BoolVar(&o.exact, "exact", false, "fail only where what was acked is not what is counted, not for slowness: for busy machines")
	flag.Func("rates", "events/s to offer in place of the scenario's, as 10000,50000", o.setRates)
	flag.DurationVar(&o.duration, "for", 0, "how long to offer them, in place of the scenario's")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: benchmarks [flags] all|table|SCENARIO...\nscenarios: %s\n",
			strings.Join(scenario.Names(scenarios), ", "))
		flag.PrintDefaults()
	}
	flag.Parse()
	return o
}

func (o *options) setRates(list string) error {
	for _, text := range strings.Split(list, ",") {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		o.rates = append(o.rates, rate)
	}
	return nil
}

// adjust makes a scenario what the flags ask for.
func (o options) adjust(s *scenario.Scenario) error {
	if o.rates != nil {
		s.Rates = o.rates
	}
	s.Duration = cmp.Or(o.duration, s.Duration)
	if o.exact && s.Kind != "max" { // which would never find a rate that is too high
		s.Limits = scenario.Limits{}
	}
	return s.Validate()
}
