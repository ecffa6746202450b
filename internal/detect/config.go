package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gosight/gosight/internal/config"
)

// Config is every number of the detectors. The zero value is not useful: start from Default.
type Config struct {
	Rules `embed:""`

	LatenessMS  int64 `help:"How late an event may arrive, by its session's own clock, and still count, ms." default:"10000"`
	IdleMS      int64 `help:"A session with no evidence for this long is concluded and forgotten, ms of host time." default:"${idle=60000}"`
	AdoptMS     int64 `help:"How long an edge's signal may stand before the centre, which has its events, takes it back, ms." default:"2000"`
	MaxSessions int   `help:"Sessions followed at once; the least recently active one is concluded early." default:"100000"`

	// Projects overrides Rules field by field, by the names of the json tags.
	Projects map[string]Override `help:"Rules of single projects as JSON, PROJECT={\"rage\":{\"clicks\":8}}." placeholder:"PROJECT=JSON"`
}

// Rules are the numbers a project may have of its own.
type Rules struct {
	Rage     RageRules     `embed:"" prefix:"rage-" json:"rage"`
	Dead     DeadRules     `embed:"" prefix:"dead-" json:"dead"`
	Error    ErrorRules    `embed:"" prefix:"error-" json:"error"`
	Thrash   ThrashRules   `embed:"" prefix:"thrash-" json:"thrash"`
	Scroll   ScrollRules   `embed:"" prefix:"scroll-" json:"scroll"`
	Returned ReturnedRules `embed:"" prefix:"returned-" json:"returned"`
}

// RageRules are those of rage_click.
type RageRules struct {
	Clicks   int     `help:"Clicks in one zone that make a rage click: one more than is allowed." default:"6" json:"clicks"`
	WindowMS int64   `help:"Time within which they must fall, ms; also the silence that ends a burst." default:"2000" json:"window_ms"`
	RadiusPX float64 `help:"Distance from the burst's centre that is still its zone, CSS pixels." default:"30" json:"radius_px"`
	MultiMS  int64   `help:"Clicks closer than this are one double or triple click where they select text, ms." default:"500" json:"multi_ms"`
}

// DeadRules are those of dead_click and unresponsive_click.
type DeadRules struct {
	AnswerMS    int64   `help:"An answer that starts within this time of the click counts, ms." default:"2500" json:"answer_ms"`
	DeadlineMS  int64   `help:"Without click_outcome a click is decided this long after it, ms." default:"3000" json:"deadline_ms"`
	OutcomeMS   int64   `help:"A click_outcome this late still corrects what the deadline decided, ms." default:"10000" json:"outcome_ms"`
	RepeatMS    int64   `help:"A click on the same place within this time belongs to the click before it, ms." default:"1000" json:"repeat_ms"`
	RepeatPX    float64 `help:"How far apart two clicks on the same place may be, CSS pixels." default:"30" json:"repeat_px"`
	AmbientMS   int64   `help:"What also happened within this time before a click does not answer it, ms." default:"10000" json:"ambient_ms"`
	ScrollingMS int64   `help:"Without click_outcome, a scroll answers a click within this time only, ms." default:"500" json:"scrolling_ms"`
}

// ErrorRules are those of error_click.
type ErrorRules struct {
	WithinMS int64 `help:"An uncaught error this soon after a click is blamed on it, ms." default:"2000" json:"within_ms"`
}

// ThrashRules are those of thrashed_cursor; the measure was chosen on the corpus of ops/signals.
type ThrashRules struct {
	WindowMS  int64   `help:"Sliding window, ms; also the calm that ends a fit." default:"2000" json:"window_ms"`
	SwingPX   float64 `help:"A change of direction counts once the cursor went back this far, CSS pixels." default:"32" json:"swing_px"`
	Reversals int     `help:"Reversals on one axis within the window." default:"6" json:"reversals"`
	Turns     int     `help:"Reversals on both axes together within the window." default:"9" json:"turns"`
	PathPX    float64 `help:"Least way travelled between the first and the last of them, CSS pixels." default:"350" json:"path_px"`
	NetShare  float64 `help:"Largest net displacement, as a share of the way travelled." default:"0.4" json:"net_share"`
}

// ScrollRules are those of excessive_scroll.
type ScrollRules struct {
	Reversals int     `help:"Reversals on one page without a click." default:"5" json:"reversals"`
	WithinMS  int64   `help:"Time within which they must fall, ms; also the rest that ends a fit." default:"30000" json:"within_ms"`
	Travel    float64 `help:"How far each must travel, as a share of the page's height." default:"0.5" json:"travel"`
}

// ReturnedRules are those of quick_back and u_turn.
type ReturnedRules struct {
	QuickMS int64 `help:"Going back this soon after a navigation is a quick_back, ms." default:"5000" json:"quick_ms"`
	UTurnMS int64 `help:"Returning this soon to a page left for another is a u_turn, ms." default:"30000" json:"u_turn_ms"`
}

// Override holds the rules that a project sets, as JSON.
type Override json.RawMessage

// UnmarshalJSON keeps the text: what it leaves out is only known once the rules below it are.
func (o *Override) UnmarshalJSON(text []byte) error {
	var quoted string
	if json.Unmarshal(text, &quoted) == nil {
		text = []byte(quoted)
	}
	*o = append((*o)[:0], text...)
	return nil
}

// MarshalJSON gives the text back.
func (o Override) MarshalJSON() ([]byte, error) { return json.RawMessage(o).MarshalJSON() }

// Default is the rules of the published contract.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with the configuration, overrides included.
func (c Config) Validate() error {
	var errs []error
	if c.LatenessMS < 0 || c.AdoptMS < 0 {
		errs = append(errs, errors.New("lateness and adopt must not be negative"))
	}
	if c.IdleMS < c.LatenessMS {
		errs = append(errs, fmt.Errorf("idle (%d ms) must not be less than lateness (%d ms)", c.IdleMS, c.LatenessMS))
	}
	if c.MaxSessions < 1 {
		errs = append(errs, errors.New("max-sessions must be at least 1"))
	}
	errs = append(errs, c.Rules.validate())
	for project, override := range c.Projects {
		if _, err := c.Rules.over(override); err != nil {
			errs = append(errs, fmt.Errorf("project %q: %w", project, err))
		}
	}
	return errors.Join(errs...)
}

func (r Rules) validate() error {
	var errs []error
	least := func(name string, value, min float64) {
		if !(value >= min) {
			errs = append(errs, fmt.Errorf("%s must be at least %v, not %v", name, min, value))
		}
	}
	least("rage clicks", float64(r.Rage.Clicks), 2)
	least("rage window", float64(r.Rage.WindowMS), 1)
	least("rage radius", r.Rage.RadiusPX, 1)
	least("dead answer", float64(r.Dead.AnswerMS), 1)
	least("dead deadline", float64(r.Dead.DeadlineMS), float64(r.Dead.AnswerMS))
	least("dead outcome", float64(r.Dead.OutcomeMS), float64(r.Dead.DeadlineMS))
	least("dead repeat", float64(r.Dead.RepeatMS), 0)
	least("error within", float64(r.Error.WithinMS), 1)
	least("thrash window", float64(r.Thrash.WindowMS), 1)
	least("thrash swing", r.Thrash.SwingPX, 1)
	least("thrash reversals", float64(r.Thrash.Reversals), 2)
	least("thrash turns", float64(r.Thrash.Turns), 2)
	least("scroll reversals", float64(r.Scroll.Reversals), 1)
	least("scroll within", float64(r.Scroll.WithinMS), 1)
	least("scroll travel", r.Scroll.Travel, 0.01)
	least("returned quick", float64(r.Returned.QuickMS), 0)
	least("returned u-turn", float64(r.Returned.UTurnMS), 0)
	return errors.Join(errs...)
}

// over lays an override over the rules, and fails where that gives no valid ones.
func (r Rules) over(override Override) (Rules, error) {
	if len(override) == 0 {
		return r, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(override))
	decoder.DisallowUnknownFields() // a misspelt number must not pass as the default
	if err := decoder.Decode(&r); err != nil {
		return r, fmt.Errorf("read rules: %w", err)
	}
	return r, r.validate()
}
