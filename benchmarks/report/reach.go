package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// reach is one figure that GoSight set out to reach, and where it is read.
type reach struct {
	figure, goal, peer string
	scenario           string
	read               func(r *Result) string
}

// The peer is the OpenTelemetry Collector 0.155 as agent and gateway on such a machine, ack after fsync, zstd.
var figures = []reach{
	{"acked and fsynced at the agent, delivered into Kafka", "200,000 events/s", "71,000", "kafka", bestRate},
	{"… and loaded in ClickHouse, all on this machine", "100,000 events/s", "–", "max", bestRate},
	{"CPU of agent + aggregator per million events into Kafka", "6 s", "22 s (16.4 + 5.9)", "kafka", func(r *Result) string {
		if r.Best == nil {
			return "–"
		}
		p := r.Runs[*r.Best].Processes
		return fmt.Sprintf("%.1f s (%.1f + %.1f)", p["agent"].CPUPerMillion+p["aggregator"].CPUPerMillion,
			p["agent"].CPUPerMillion, p["aggregator"].CPUPerMillion)
	}},
	{"ack latency at 10,000 events/s, p50 and p99", "2.5 ms, 5 ms", "3.3 ms, 6.8 ms", "latency", func(r *Result) string {
		return fmt.Sprintf("%.1f ms, %.1f ms", r.Runs[0].Ack.P50, r.Runs[0].Ack.P99)
	}},
	{"agent memory at 10,000 events/s", "64 MB", "–", "latency", func(r *Result) string { return agentPeak(r.Runs[0]) }},
	{"agent memory at maximum", "150 MB", "300 MB", "kafka", func(r *Result) string {
		if r.Best == nil {
			return "–"
		}
		return agentPeak(r.Runs[*r.Best])
	}},
	{"relay bytes per reference event", "60 B", "80 B (zstd)", "bandwidth", func(r *Result) string { return r.Tables[0].Rows[6][1] + " B" }},
	{"SDK to agent, batches of 500, compressed, against JSON", "90 % less", "70 % promised", "bandwidth", func(r *Result) string {
		return r.Tables[0].Rows[5][2] + " less"
	}},
	{"click to queryable row, p99 at 10,000 events/s", "1.5 s", "–", "latency", func(r *Result) string {
		if r.Runs[0].Lag == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f s", r.Runs[0].Lag.P99/1000)
	}},
	{"10,000 events/s: acked = counted", "equal", "–", "10k", func(r *Result) string {
		run := r.Runs[0]
		return thousands(float64(run.Acked)) + " = " + thousands(float64(run.Counted))
	}},
}

func bestRate(r *Result) string {
	if r.Best == nil {
		return "–"
	}
	return thousands(r.Runs[*r.Best].Achieved) + " events/s"
}

func agentPeak(run Run) string {
	p := run.Processes["agent"]
	return fmt.Sprintf("%s MB (%s private)", megabytes(float64(p.PeakRSS)), megabytes(float64(p.PeakPrivate)))
}

// reached is the table of what GoSight set out to reach, filled from the results below dir.
func reached(dir string, short bool) (string, error) {
	var b strings.Builder
	var rows [][]string
	for _, f := range figures {
		name := f.scenario
		if short && name != "bandwidth" || short && !exists(filepath.Join(dir, name+".json")) {
			name += "-short"
		}
		r, err := Load(filepath.Join(dir, name+".json"))
		measured, run := "not run", f.scenario
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		default:
			if measured = f.read(r); len(r.Failures) > 0 {
				measured += " (scenario failed)"
			}
			run += fmt.Sprintf(", %s, %s", r.Place.Commit, r.At.Format("2006-01-02 15:04"))
		}
		rows = append(rows, []string{f.figure, f.goal, measured, f.peer, run})
	}
	table(&b, []string{"figure", "to reach", "measured", "a peer here", "scenario"}, rows)
	return b.String(), nil
}

// WriteReach keeps the table of what GoSight set out to reach, filled from the results below dir, beside them as reach.md
// (reach-short.md), and returns it.
func WriteReach(dir string, short bool) (string, error) {
	said, err := reached(dir, short)
	if err != nil {
		return "", err
	}
	name, form := "reach.md", ""
	if short {
		name, form = "reach-short.md", ", in the scenarios' short form"
	}
	text := "# What GoSight set out to reach, and what was measured" + form + "\n\n" + said
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write the table: %w", err)
	}
	return said, nil
}

func exists(file string) bool {
	matches, err := filepath.Glob(file)
	return err == nil && len(matches) > 0
}
