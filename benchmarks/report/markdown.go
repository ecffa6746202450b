package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Markdown is the result for readers. name is that of its files.
func (r *Result) Markdown(name string, pictured bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", r.Scenario, r.About)
	verdict := "**passed**"
	if len(r.Failures) > 0 {
		verdict = "**FAILED**: " + strings.Join(r.Failures, "; ")
	}
	fmt.Fprintf(&b, "%s. %s, %d cores for everything: system, engines and generator. %s, %s. GoSight %s (%s), %s.\n\n", verdict,
		r.Place.Machine, r.Place.Cores, r.Place.System, r.Place.Go, r.Place.Version, r.Place.Commit, r.At.Format("2006-01-02 15:04 MST"))
	if r.Short {
		b.WriteString("This is the short form: a sign of life, not the proof.\n\n")
	}
	if r.Best != nil {
		best := r.Runs[*r.Best]
		fmt.Fprintf(&b, "Highest sustained: **%s events/s**.\n\n", thousands(best.Achieved))
	}
	if len(r.Runs) > 0 {
		r.runs(&b)
	}
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "## %s\n\n", t.Title)
		table(&b, t.Head, t.Rows)
	}
	if pictured {
		fmt.Fprintf(&b, "![%s](%s.svg)\n", r.Scenario, name)
	}
	return b.String()
}

func (r *Result) runs(b *strings.Builder) {
	b.WriteString("Latency is measured from the moment at which a batch was due. Lag is from a probe's send until a query finds it.\n\n")
	head := []string{
		"run", "offered/s", "acked/s", "acked", "counted", "ack p50 ms", "p99", "p99.9", "max", "lag p50 ms", "lag p99", "drain s",
		"SDK B/event", "relay B/event",
	}
	var rows [][]string
	for _, run := range r.Runs {
		lag50, lag99 := "–", "–"
		if run.Lag != nil {
			lag50, lag99 = fmt.Sprintf("%.0f", run.Lag.P50), fmt.Sprintf("%.0f", run.Lag.P99)
		}
		relay := "–"
		if run.RelayBytes > 0 {
			relay = fmt.Sprintf("%.1f", run.RelayBytes)
		}
		rows = append(rows, []string{
			run.Label, thousands(run.Offered), thousands(run.Achieved),
			thousands(float64(run.Acked)), thousands(float64(run.Counted)),
			fmt.Sprintf("%.2f", run.Ack.P50), fmt.Sprintf("%.2f", run.Ack.P99), fmt.Sprintf("%.2f", run.Ack.P999),
			fmt.Sprintf("%.1f", run.Ack.Max),
			lag50, lag99, fmt.Sprintf("%.1f", run.Drain), fmt.Sprintf("%.1f", run.SDKBytes), relay,
		})
	}
	table(b, head, rows)

	for _, run := range r.Runs {
		for _, message := range slices.Sorted(maps.Keys(run.Errors)) {
			fmt.Fprintf(b, "- %s: %d times: %s\n", run.Label, run.Errors[message], message)
		}
	}
	rows = nil
	for _, run := range r.Runs {
		for _, role := range slices.Sorted(maps.Keys(run.Processes)) {
			p := run.Processes[role]
			rows = append(rows, []string{run.Label, role, fmt.Sprintf("%.2f", p.CPUSeconds), fmt.Sprintf("%.2f", p.CPUPerMillion),
				megabytes(float64(p.PeakRSS)), megabytes(float64(p.PeakPrivate)), megabytes(p.GrowthPerMinute)})
		}
	}
	if len(rows) > 0 {
		b.WriteString("CPU and memory of each process, from /proc. What is not private are pages of files, such as the maps of " +
			"the queue, which the kernel takes back at need.\n\n")
		head := []string{
			"run", "process", "CPU s", "CPU s per million events", "peak RSS MB", "of it private", "private growth MB/min",
		}
		table(b, head, rows)
	}
}

func table(b *strings.Builder, head []string, rows [][]string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	b.WriteByte('\n')
}

func megabytes(n float64) string { return fmt.Sprintf("%.1f", n/1e6) }

// thousands is a whole number with commas.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
