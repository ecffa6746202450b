package rules

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gosight/gosight/internal/detect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func follow(t *testing.T, file string) (*Follower, *detect.Live, error) {
	t.Helper()
	live := detect.MustLive(detect.Default())
	cfg := Default()
	cfg.File = file
	f, err := New(cfg, live, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	return f, live, err
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sixClicks says what six clicks on one place give in a project.
func sixClicks(e *detect.Engine, project, session string) int {
	n := 0
	for i := range int64(6) {
		ev := detect.Event{ID: fmt.Sprint("c", i), Type: "click", TS: 1_800_000_000_000 + i*100, Payload: `{"x":1,"y":2}`}
		n += len(e.Observe(project, session, []detect.Event{ev}, ev.TS))
	}
	return n
}

func TestChangesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "rules.yaml")
		write(t, file, "rage: {clicks: 9}\nprojects:\n  shop:\n    rage: {clicks: 6}\n")
		f, live, err := follow(t, file)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		e := detect.New(live)
		now := func(want string) {
			t.Helper()
			time.Sleep(f.cfg.ReloadInterval)
			synctest.Wait()
			session := time.Now().String()
			if got := fmt.Sprint(sixClicks(e, "shop", session), sixClicks(e, "other", session)); got != want {
				t.Errorf("signals in shop and elsewhere are %s, want %s", got, want)
			}
		}
		now("1 0")
		write(t, file, "projects: {shop: {rage: {clicks: 7}}}\n")
		now("0 1")
		for i, wrong := range []string{"rage: {clicks: 1}", "rage: {click: 7}", "rages: {clicks: 7}", "- a", "projects: {shop: [1]}"} {
			write(t, file, wrong)
			now("0 1")
			now("0 1")
			if failed := testutil.ToFloat64(f.failed); failed != float64(2*(i+1)) {
				t.Errorf("after %q %v failures are counted, want %d", wrong, failed, 2*(i+1))
			}
		}
		write(t, file, "")
		now("1 1")
	})
}

func TestAWrongFileIsNoStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if _, _, err := follow(t, file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is not there: %v", err)
	}
	write(t, file, "dead: {deadline_ms: 1}\n")
	if _, _, err := follow(t, file); err == nil || !strings.Contains(err.Error(), "dead deadline") {
		t.Errorf("a deadline before the answer: %v", err)
	}
	if _, _, err := follow(t, ""); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rage: {clicks: 9}\nprojects: {a: {dead: {answer_ms: 1}}}")
	f.Add("projects: [")
	f.Add("1: 2\n? [a]\n: b")
	live := detect.MustLive(detect.Default())
	f.Fuzz(func(t *testing.T, text string) {
		if file, err := parse([]byte(text)); err == nil {
			_ = live.SetFile(file)
			_ = sixClicks(detect.New(live), "a", "s")
		}
	})
}
