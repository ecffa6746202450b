// Package report holds what a benchmark found, and writes it for machines (JSON), readers (Markdown) and eyes (SVG).
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gosight/gosight/benchmarks/load"
	"github.com/gosight/gosight/benchmarks/target"
)

// Result is one scenario's outcome.
type Result struct {
	Scenario string      `json:"scenario"`
	About    string      `json:"about"`
	Short    bool        `json:"short,omitempty"`
	At       time.Time   `json:"at"`
	Place    Environment `json:"environment"`
	Runs     []Run       `json:"runs,omitempty"`
	Tables   []Table     `json:"tables,omitempty"`
	// Best is the run that a search settled on.
	Best *int `json:"best,omitempty"`
	// Failures say why the scenario failed; empty: it passed.
	Failures []string `json:"failures,omitempty"`
}

// Environment is where figures come from: without it they say nothing.
type Environment struct {
	Machine string `json:"machine"`
	Cores   int    `json:"cores"`
	System  string `json:"system"`
	Go      string `json:"go"`
	Version string `json:"gosight"`
	Commit  string `json:"commit"`
}

// Run is one measurement at one rate.
type Run struct {
	Label   string  `json:"label"`
	Shape   string  `json:"shape"`
	Offered float64 `json:"offered_per_s"`
	// Clients are the connections of the Go SDK, where a scenario varies them.
	Clients int `json:"clients,omitempty"`
	// Achieved is acked events over the time from the first due to the last acked.
	Achieved float64 `json:"acked_per_s"`
	Seconds  float64 `json:"seconds"`

	Acked    int64 `json:"acked"`
	Counted  int64 `json:"counted"`
	Rejected int64 `json:"rejected"`
	Unknown  int64 `json:"unknown"`
	Unsent   int64 `json:"unsent_batches"`

	Ack Quantiles `json:"ack_ms"`
	// Lag is from a probe event's send until a query finds it; Drain from the last ack until all are counted.
	Lag   *Quantiles `json:"lag_ms,omitempty"`
	Drain float64    `json:"drain_s"`

	Processes map[string]Process `json:"processes,omitempty"`
	// SDKBytes and RelayBytes are per event, above TCP and UDP.
	SDKBytes   float64 `json:"sdk_bytes_per_event"`
	RelayBytes float64 `json:"relay_bytes_per_event,omitempty"`

	Series   []load.Second  `json:"series,omitempty"`
	Failures []string       `json:"failures,omitempty"`
	Errors   map[string]int `json:"errors,omitempty"`
}

// Process is what one process used for a run.
type Process struct {
	CPUSeconds    float64 `json:"cpu_s"`
	CPUPerMillion float64 `json:"cpu_s_per_million_events"`
	// The largest of the samples taken each second of the run: resident, and of that private (not pages of files).
	PeakRSS     int64 `json:"peak_rss_bytes"`
	PeakPrivate int64 `json:"peak_private_bytes"`
	// GrowthPerMinute is the slope of the private memory over the second half of the samples, bytes.
	GrowthPerMinute float64 `json:"private_growth_bytes_per_min"`
	// Private memory over the run, at most about a hundred of its samples.
	Private []MemorySample `json:"private,omitempty"`
}

// MemorySample is the private memory of a process so many seconds into a run.
type MemorySample struct {
	At    float64 `json:"at_s"`
	Bytes int64   `json:"bytes"`
}

// Quantiles of a distribution, milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95,omitempty"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Table is figures that are no runs.
type Table struct {
	Title string     `json:"title"`
	Head  []string   `json:"head"`
	Rows  [][]string `json:"rows"`
}

// QuantilesOf sorts samples and reads their quantiles off; nil for none.
func QuantilesOf(samples []time.Duration) *Quantiles {
	if len(samples) == 0 {
		return nil
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		return Milliseconds(samples[min(int(q*float64(len(samples))), len(samples)-1)])
	}
	return &Quantiles{P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999), Max: at(1)}
}

// Milliseconds of a duration, with three digits.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Describe says where this runs.
func Describe(bin string) Environment {
	commit, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return Environment{
		Machine: target.Machine(), Cores: runtime.NumCPU(), System: kernel(), Go: runtime.Version(),
		Version: target.Version(bin), Commit: strings.TrimSpace(string(commit)),
	}
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS + "/" + runtime.GOARCH
	}
	return fmt.Sprintf("%s/%s %s", runtime.GOOS, runtime.GOARCH, strings.TrimSpace(string(release)))
}

// Write puts the result below dir as SCENARIO.json, .md and .svg, or SCENARIO-short.*.
func (r *Result) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	name := r.Scenario
	if r.Short {
		name += "-short"
	}
	files := map[string]string{".json": string(text) + "\n"}
	picture := r.plot()
	if picture != "" {
		files[".svg"] = picture
	}
	files[".md"] = r.Markdown(name, picture != "")
	for suffix, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	return nil
}

// Load reads a result that Write wrote.
func Load(file string) (*Result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read result %s: %w", file, err)
	}
	return r, nil
}
