package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/benchmarks/load"
)

func result(runs int) *Result {
	r := &Result{Scenario: "latency", About: "A try.", At: time.Now(), Place: Environment{Machine: "a <machine>", Cores: 2}}
	for i := range runs {
		r.Runs = append(r.Runs, Run{
			Label: "10k", Offered: 10000 * float64(i+1), Achieved: 9990, Acked: 1234567, Counted: 1234567,
			Ack: Quantiles{P50: 1.5, P99: 4.25}, Lag: &Quantiles{P99: 1200},
			Processes: map[string]Process{"agent": {CPUSeconds: 12, CPUPerMillion: 4, PeakRSS: 60e6}},
			Series:    []load.Second{{At: 0, Events: 10000, P50MS: 1, P99MS: 4}, {At: 1, Events: 9999, P50MS: 2, P99MS: 5}},
		})
	}
	return r
}

func TestWrittenResultsReadAgain(t *testing.T) {
	dir := t.TempDir()
	for _, runs := range []int{1, 3} {
		if err := result(runs).Write(dir); err != nil {
			t.Fatal(err)
		}
		r, err := Load(filepath.Join(dir, "latency.json"))
		if err != nil || len(r.Runs) != runs || r.Runs[0].Acked != 1234567 {
			t.Fatalf("%+v, %v", r, err)
		}
		picture, err := os.ReadFile(filepath.Join(dir, "latency.svg"))
		if err != nil {
			t.Fatal(err)
		}
		for decoder := xml.NewDecoder(strings.NewReader(string(picture))); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("plot of %d runs: %v", runs, err)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "latency.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**passed**", "1,234,567", "| agent |", "latency.svg"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	table, err := WriteReach(dir, false)
	if err != nil || !strings.Contains(table, "| 2.5 ms, 5 ms | 1.5 ms, 4.2 ms |") || !strings.Contains(table, "not run") {
		t.Errorf("%v:\n%s", err, table)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "reach.md")); err != nil || !strings.HasSuffix(string(kept), table) {
		t.Errorf("%v: the table is kept as\n%s", err, kept)
	}
}

func TestQuantiles(t *testing.T) {
	var samples []time.Duration
	for i := range 1000 {
		samples = append(samples, time.Duration(1000-i)*time.Millisecond)
	}
	if q := QuantilesOf(samples); q.P50 != 501 || q.P99 != 991 || q.Max != 1000 {
		t.Errorf("%+v", q)
	}
	if QuantilesOf(nil) != nil {
		t.Error("quantiles of nothing")
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("%v is %q, want %q", n, got, want)
		}
	}
}
