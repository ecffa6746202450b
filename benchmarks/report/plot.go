package report

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"math"
	"slices"
	"strings"
)

// A plot is panels above each other that share their x axis.
const (
	width, panelHeight      = 860, 190
	left, right, top, below = 70, 130, 34, 34
)

type line struct {
	name   string
	colour string
	points [][2]float64
}

type panel struct {
	title string
	lines []line
}

// plot draws a single run second by second, and several runs over their rate; "" where there is nothing to draw.
func (r *Result) plot() string {
	switch {
	case len(r.Runs) == 0:
		return ""
	case len(r.Runs) == 1:
		return draw(r.Scenario, "seconds", overTime(r.Runs[0]))
	}
	x, xTitle := func(run Run) float64 { return run.Offered }, "offered events/s"
	if r.Runs[0].Clients > 0 {
		x, xTitle = func(run Run) float64 { return float64(run.Clients) }, "connections"
	}
	return draw(r.Scenario, xTitle, overRuns(r.Runs, x))
}

func overTime(run Run) []panel {
	acked := line{name: "acked", colour: "#2b6cb0"}
	p50, p99 := line{name: "p50", colour: "#2f855a"}, line{name: "p99", colour: "#c53030"}
	for _, s := range run.Series {
		acked.points = append(acked.points, [2]float64{s.At, float64(s.Events)})
		p50.points = append(p50.points, [2]float64{s.At, s.P50MS})
		p99.points = append(p99.points, [2]float64{s.At, s.P99MS})
	}
	memory := panel{title: "private memory, MB"}
	for i, role := range slices.Sorted(maps.Keys(run.Processes)) {
		l := line{name: role, colour: palette[i%len(palette)]}
		for _, sample := range run.Processes[role].Private {
			l.points = append(l.points, [2]float64{sample.At, float64(sample.Bytes) / 1e6})
		}
		memory.lines = append(memory.lines, l)
	}
	return []panel{{title: "events/s", lines: []line{acked}}, {title: "ack latency, ms", lines: []line{p50, p99}}, memory}
}

var palette = []string{"#2b6cb0", "#c53030", "#2f855a", "#b7791f", "#6b46c1", "#4a5568", "#d53f8c"}

func overRuns(runs []Run, at func(Run) float64) []panel {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Compare(at(a), at(b)) })
	acked, p50, p99 := line{name: "acked/s", colour: palette[0]}, line{name: "p50", colour: palette[2]}, line{name: "p99", colour: palette[1]}
	costs, memory := panel{title: "CPU s per million events"}, panel{title: "peak private memory, MB"}
	cpuOf, memoryOf := byRole(runs), byRole(runs)
	for _, run := range runs {
		x := at(run)
		acked.points = append(acked.points, [2]float64{x, run.Achieved})
		p50.points = append(p50.points, [2]float64{x, run.Ack.P50})
		p99.points = append(p99.points, [2]float64{x, run.Ack.P99})
		for role, p := range run.Processes {
			cpuOf[role].points = append(cpuOf[role].points, [2]float64{x, p.CPUPerMillion})
			memoryOf[role].points = append(memoryOf[role].points, [2]float64{x, float64(p.PeakPrivate) / 1e6})
		}
	}
	panels := []panel{{title: "acked events/s", lines: []line{acked}}, {title: "ack latency, ms", lines: []line{p50, p99}}}
	for _, role := range slices.Sorted(maps.Keys(cpuOf)) {
		costs.lines = append(costs.lines, *cpuOf[role])
		memory.lines = append(memory.lines, *memoryOf[role])
	}
	if len(costs.lines) > 0 {
		panels = append(panels, costs, memory)
	}
	return panels
}

// byRole has a line for each process that any of the runs had.
func byRole(runs []Run) map[string]*line {
	lines := make(map[string]*line)
	for _, run := range runs {
		for role := range run.Processes {
			lines[role] = &line{name: role}
		}
	}
	for i, role := range slices.Sorted(maps.Keys(lines)) {
		lines[role].colour = palette[i%len(palette)]
	}
	return lines
}

func draw(title, xTitle string, panels []panel) string {
	var b strings.Builder
	height := top + len(panels)*(panelHeight+below) + 10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="20" font-size="15" font-weight="600">%s</text>`+"\n", left, html.EscapeString(title))
	for i, p := range panels {
		p.draw(&b, float64(top+i*(panelHeight+below)+18), xTitle)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder, y0 float64, xTitle string) {
	minX, maxX, maxY := math.Inf(1), 0.0, 0.0
	var xs []float64
	for _, l := range p.lines {
		for _, point := range l.points {
			minX, maxX, maxY = math.Min(minX, point[0]), math.Max(maxX, point[0]), math.Max(maxY, point[1])
			xs = append(xs, point[0])
		}
	}
	stepY := niceStep(maxY)
	maxY = stepY * math.Ceil(math.Max(maxY, stepY)/stepY)
	// Where x spans orders of magnitude, it is drawn by them.
	scale := func(v float64) float64 { return v / math.Max(maxX, 1) }
	if minX > 0 && maxX/minX >= 50 {
		scale = func(v float64) float64 { return math.Log(v/minX) / math.Log(maxX/minX) }
		slices.Sort(xs)
		xs = slices.Compact(xs)
	} else {
		xs = nil
		for v, step := 0.0, niceStep(maxX); v <= maxX*1.0001; v += step {
			xs = append(xs, v)
		}
	}
	const h, w = panelHeight - 30, width - left - right
	x := func(v float64) float64 { return left + scale(v)*w }
	y := func(v float64) float64 { return y0 + h - v/maxY*h }

	fmt.Fprintf(b, `<text x="%d" y="%.0f" fill="#4a5568">%s</text>`+"\n", left, y0-6, html.EscapeString(p.title))
	for v := 0.0; v <= maxY*1.0001; v += stepY {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1[3]f" stroke="#e2e8f0"/><text x="%d" y="%.1f" text-anchor="end" fill="#718096">%s</text>`+"\n",
			left, width-right, y(v), left-6, y(v)+4, short(v))
	}
	for _, v := range xs {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#718096">%s</text>`+"\n", x(v), y0+h+16, short(v))
	}
	fmt.Fprintf(b, `<text x="%d" y="%.1f" fill="#718096">%s</text>`+"\n", width-right+8, y0+h+16, html.EscapeString(xTitle))
	for i, l := range p.lines {
		var path []string
		for _, point := range l.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x(point[0]), y(point[1])))
		}
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.6" points="%s"/>`+"\n", l.colour, strings.Join(path, " "))
		fmt.Fprintf(b, `<text x="%d" y="%.1f" fill="%s">%s</text>`+"\n", width-right+8, y0+12+float64(i)*16, l.colour, html.EscapeString(l.name))
	}
}

// niceStep divides 0..limit into four to eight round steps.
func niceStep(limit float64) float64 {
	if limit <= 0 {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(limit)))
	for _, factor := range []float64{0.1, 0.2, 0.5, 1} {
		if limit/(base*factor) <= 8 {
			return base * factor
		}
	}
	return base * 2
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
