// Command signals says how often the detectors are right: it makes a labelled corpus of visits, tunes nothing
// but what -tune asks for on one half, and prints precision and recall for each kind on the other half. Traces
// recorded in a browser (see traces/README.md) are judged with it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gosight/gosight/internal/detect"
)

// Seed and size of the corpus. They are part of the result.
const (
	seed      = 20261123
	perFamily = 80 // visits, half of them held back
)

// bars are the precision and recall that a kind must reach; the program fails below them.
var bars = map[string]float64{detect.RageClick: 0.98, detect.DeadClick: 0.98, detect.ThrashedCursor: 0.95}

type result struct {
	Seed      uint64         `json:"seed"`
	Visits    int            `json:"visits"`
	Traces    int            `json:"traces"`
	Kinds     []kindResult   `json:"kinds"`
	Measures  []measureScore `json:"thrash_measures"`
	Families  []familyResult `json:"families"`
	Generated string         `json:"generated"`
	Go        string         `json:"go"`
}

type kindResult struct {
	Kind      string  `json:"kind"`
	Wanted    int     `json:"wanted"`
	Right     int     `json:"right"`
	Wrong     int     `json:"wrong"`
	Missed    int     `json:"missed"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	Bar       float64 `json:"bar,omitempty"`
}

type measureScore struct {
	Name      string    `json:"name"`
	About     string    `json:"about"`
	Setting   []float64 `json:"setting"`
	TuneF1    float64   `json:"tune_f1"`
	Precision float64   `json:"held_precision"`
	Recall    float64   `json:"held_recall"`
}

type familyResult struct {
	Family string         `json:"family"`
	About  string         `json:"about"`
	Want   string         `json:"want,omitempty"`
	Visits int            `json:"visits"`
	Exact  int            `json:"exact"`
	Wrong  map[string]int `json:"wrong,omitempty"`
	Missed map[string]int `json:"missed,omitempty"`
}

func main() {
	log.SetFlags(0)
	tune := flag.Bool("tune", false, "search the settings of the thrash measures on the tuning half anew (a minute)")
	out := flag.String("out", "benchmarks/results", "folder for signals.md and signals.json")
	traces := flag.String("traces", "ops/signals/traces", "folder of recorded traces")
	flag.Parse()
	if err := run(*tune, *out, *traces); err != nil {
		log.Fatalln("signals:", err)
	}
}

func run(search bool, out, traceDir string) error {
	families := slices.Concat(rageFamilies, deadFamilies, thrashFamilies, pageFamilies)
	tuning, held := halves(corpus(families, perFamily, seed))
	recorded, err := loadTraces(traceDir)
	if err != nil {
		return err
	}
	recordedTune, recordedHeld := halves(recorded)
	tuning, held = append(tuning, recordedTune...), append(held, recordedHeld...)

	res := result{Seed: seed, Visits: len(tuning) + len(held), Traces: len(recorded), Go: runtime.Version(),
		Generated: time.Now().UTC().Format("2006-01-02")}
	res.Kinds, res.Families = judge(families, held)
	res.Measures = compare(search, tuning, held)
	text := res.markdown()
	fmt.Print(text)
	encoded, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	for name, content := range map[string][]byte{"signals.md": []byte(text), "signals.json": append(encoded, '\n')} {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	for _, k := range res.Kinds {
		if k.Precision < k.Bar || k.Recall < k.Bar {
			return fmt.Errorf("%s: precision %.3f and recall %.3f, both must reach %.2f", k.Kind, k.Precision, k.Recall, k.Bar)
		}
	}
	return nil
}

// judge runs the product's rules over visits.
func judge(families []family, visits []visit) ([]kindResult, []familyResult) {
	scores := map[string]*score{}
	for _, kind := range detect.Kinds {
		scores[kind] = &score{}
	}
	byFamily := map[string]*familyResult{}
	var order []*familyResult
	row := func(name, about, want string) *familyResult {
		if byFamily[name] == nil {
			byFamily[name] = &familyResult{Family: name, About: about, Want: want, Wrong: map[string]int{}, Missed: map[string]int{}}
			order = append(order, byFamily[name])
		}
		return byFamily[name]
	}
	for _, f := range families {
		row(f.name, f.about, f.want)
	}
	for _, v := range visits {
		got, fam, exact := found(defaults, v), row(v.family, "recorded in a browser", ""), true
		for _, kind := range detect.Kinds {
			scores[kind].count(v.want[kind], got[kind])
			if d := got[kind] - v.want[kind]; d > 0 {
				fam.Wrong[kind] += d
				exact = false
			} else if d < 0 {
				fam.Missed[kind] -= d
				exact = false
			}
		}
		fam.Visits++
		if exact {
			fam.Exact++
		}
	}
	var kinds []kindResult
	for _, kind := range detect.Kinds {
		s := scores[kind]
		kinds = append(kinds, kindResult{kind, s.right + s.missed, s.right, s.wrong, s.missed, s.precision(), s.recall(), bars[kind]})
	}
	var rows []familyResult
	for _, f := range order {
		rows = append(rows, *f)
	}
	return kinds, rows
}

// tuned are the settings that -tune found on the tuning half.
var tuned = map[string][]float64{
	"turning":    {2, 1200, 0.15},
	"tortuosity": {4, 600},
}

func compare(search bool, tuning, held []visit) (rows []measureScore) {
	t := defaults.Thrash
	tuned["reversals"] = []float64{t.SwingPX, float64(t.Reversals), float64(t.Turns), t.PathPX, t.NetShare}
	pointer := func(visits []visit) (out []visit) {
		for _, v := range visits {
			if slices.ContainsFunc(v.events, func(e detect.Event) bool { return e.Type == "pointer" }) {
				out = append(out, v)
			}
		}
		return out
	}
	tuning, held = pointer(tuning), pointer(held)
	for _, visits := range [][]visit{tuning, held} { // nothing else matters here
		for i := range visits {
			visits[i].events = slices.DeleteFunc(slices.Clone(visits[i].events), func(e detect.Event) bool { return e.Type != "pointer" })
		}
	}
	for _, m := range measures {
		setting := tuned[m.name]
		on := m.score(tuning, setting)
		if search {
			best, of := m.tune(tuning)
			log.Printf("%s: best on the tuning half %v (F1 %.4f), in use %v (%.4f)", m.name, best, of.f1(), setting, on.f1())
		}
		s := m.score(held, setting)
		rows = append(rows, measureScore{m.name, m.about, setting, on.f1(), s.precision(), s.recall()})
	}
	return rows
}

func (r result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# How often the signals are right\n\nMade by `make signals` (ops/signals), %s, %s. %d visits of %d families and %d "+
		"recorded traces, seed %d;\nrules were tuned on one half of each family, what follows is the other half. Labels say how a "+
		"visit was made, not what a rule\nsays of it.\n\n", r.Generated, r.Go, r.Visits, len(r.Families), r.Traces, r.Seed)
	b.WriteString("| kind | wanted | right | wrong | missed | precision | recall | bar |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, k := range r.Kinds {
		bar := ""
		if k.Bar > 0 {
			bar = fmt.Sprintf("%.2f", k.Bar)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %.3f | %.3f | %s |\n", k.Kind, k.Wanted, k.Right, k.Wrong, k.Missed, k.Precision, k.Recall, bar)
	}
	b.WriteString("\n## Measures of a thrashed cursor\n\nEach at the settings that are best for it on the tuning half.\n\n" +
		"| measure | settings | F1, tuning | precision, held back | recall, held back |\n|---|---|--:|--:|--:|\n")
	for _, m := range r.Measures {
		fmt.Fprintf(&b, "| %s: %s | %v | %.3f | %.3f | %.3f |\n", m.Name, m.About, m.Setting, m.TuneF1, m.Precision, m.Recall)
	}
	b.WriteString("\n## Families\n\n| family | what it is | wanted | visits | exactly right | wrong | missed |\n|---|---|---|--:|--:|---|---|\n")
	for _, f := range r.Families {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %s |\n", f.Family, f.About, f.Want, f.Visits, f.Exact, list(f.Wrong), list(f.Missed))
	}
	return b.String()
}

func list(counts map[string]int) string {
	var parts []string
	for _, kind := range detect.Kinds {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	return strings.Join(parts, ", ")
}
