package detect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gosight/gosight/internal/config"
	"pgregory.net/rapid"
)

// engineWith is an engine whose rules stay as they are.
func engineWith(cfg Config) *Engine { return New(MustLive(cfg)) }

func TestProjectsHaveRulesOfTheirOwn(t *testing.T) {
	cfg, err := config.Parse[Config](config.App{Name: "test"}, []string{`--projects=calm={"rage":{"clicks":9}};x={"dead":{"answer_ms":100}}`})
	if err != nil {
		t.Fatal(err)
	}
	live := MustLive(cfg)
	e := New(live)
	count := func(project string) (n int) {
		for _, ev := range burstOf(6, 200, "") {
			n += len(e.Observe(project, "s", []Event{ev}, ev.TS))
		}
		return n
	}
	if calm, other := count("calm"), count("other"); calm != 0 || other != 1 {
		t.Errorf("%d signals for the calm project, %d for another", calm, other)
	}
	if rules := live.current.Load().rules("calm"); rules.Rage.WindowMS != 2000 {
		t.Errorf("what an override leaves out is %d", rules.Rage.WindowMS)
	}
	if err := live.SetProjects(map[string]Override{"calm": Override(`{"rage":{"clicks":7}}`)}); err != nil {
		t.Fatal(err)
	}
	seventh := clickAt(1200, 100, 100, "")
	if got := words(e.Observe("calm", "s", []Event{seventh}, seventh.TS)); got != "rage_click/click@0/7 first" {
		t.Errorf("after the change %q", got)
	}
}

func TestLayersOfRules(t *testing.T) {
	cfg := Default()
	cfg.Rage.Clicks = 5
	cfg.Projects = map[string]Override{"shop": Override(`{"rage":{"radius_px":31}}`)}
	live := MustLive(cfg)
	set := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	want := func(project, want string) {
		t.Helper()
		r := live.current.Load().rules(project)
		if got := fmt.Sprint(r.Rage.Clicks, r.Rage.RadiusPX, r.Dead.AnswerMS); got != want {
			t.Errorf("%s has %s, want %s", project, got, want)
		}
	}
	want("shop", "5 31 2500")
	want("other", "5 30 2500")
	set(live.SetFile(FileRules{All: Override(`{"rage":{"clicks":7}}`), Projects: map[string]Override{"other": Override(`{"dead":{"answer_ms":900}}`)}}))
	want("shop", "7 31 2500")
	want("other", "7 30 900")
	set(live.SetProjects(map[string]Override{"other": Override(`{"rage":{"clicks":8}}`)}))
	want("other", "8 30 900")
	if r := live.Below("other"); r.Rage.Clicks != 7 || r.Dead.AnswerMS != 900 {
		t.Errorf("below the registry's: %+v", r)
	}

	err := live.SetFile(FileRules{All: Override(`{"rage":{"clicks":1}}`)})
	if err == nil || !strings.Contains(err.Error(), "rage clicks") {
		t.Errorf("one click makes rage: %v", err)
	}
	want("shop", "7 31 2500")
	err = live.SetProjects(map[string]Override{"other": Override(`{"rage":{"click":8}}`), "shop": Override(`{"rage":{"clicks":9}}`)})
	if err == nil || !strings.Contains(err.Error(), `project "other"`) {
		t.Errorf("a misspelt number is taken: %v", err)
	}
	want("other", "7 30 900")
	want("shop", "9 31 2500")
}

// Rules that change in the middle of a visit leave no signal open, whatever changes.
func TestRulesMayChangeAtAnyTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live := MustLive(Default())
		arrivals := arrive(t, visit(t), Default().LatenessMS)
		stored := rows{}
		e := New(live)
		run(t, e, arrivals, func(_ int64, s []Signal) {
			stored.put(true, s)
			if rapid.IntRange(0, 9).Draw(t, "change") > 0 {
				return
			}
			if err := live.SetProjects(map[string]Override{"p": Override(rapid.SampledFrom([]string{
				`{}`, `{"rage":{"clicks":2,"radius_px":200}}`, `{"rage":{"clicks":20,"window_ms":100}}`,
				`{"dead":{"answer_ms":50,"deadline_ms":60,"outcome_ms":70,"repeat_ms":0}}`,
				`{"dead":{"answer_ms":9000,"deadline_ms":9000,"repeat_ms":9000}}`,
				`{"thrash":{"reversals":2,"turns":2,"window_ms":20000,"swing_px":5},"error":{"within_ms":1}}`,
				`{"thrash":{"reversals":60,"turns":60,"window_ms":1},"error":{"within_ms":20000}}`,
				`{"scroll":{"reversals":1,"travel":0.01},"returned":{"quick_ms":0,"u_turn_ms":0}}`,
			}).Draw(t, "rules"))}); err != nil {
				t.Fatal(err)
			}
		})
		for _, s := range stored {
			if !s.Final {
				t.Fatalf("%s %s never became final", s.Kind, s.FirstEventId)
			}
		}
	})
}
