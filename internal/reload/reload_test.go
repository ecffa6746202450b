package reload

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFilesAreLoadedWhenTheyChangeAndUntilTheyLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of what the watch and the test both see
		var inUse string
		loads, failures := 0, 0
		load := func() error {
			mu.Lock()
			defer mu.Unlock()
			loads++
			text, err := os.ReadFile(path)
			if err == nil && string(text) == "half of it" {
				err = errors.New("not whole")
			}
			if err == nil {
				inUse = string(text)
			}
			return err
		}
		files, err := Open(load, path, "")
		if err != nil || inUse != "one" {
			t.Fatalf("opened %q, %v", inUse, err)
		}
		write("between") // before anybody watches
		ctx, cancel := context.WithCancel(t.Context())
		go files.Watch(ctx, time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			failures++
		}, slog.New(slog.DiscardHandler))
		for _, step := range []struct {
			write, inUse    string
			loads, failures int
		}{
			{"", "between", 2, 0},
			{"", "between", 2, 0},
			{"half of it", "between", 3, 1},
			{"", "between", 4, 2},
			{"the whole", "the whole", 5, 2},
			{"", "the whole", 5, 2},
		} {
			if step.write != "" {
				write(step.write)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			mu.Lock()
			if inUse != step.inUse || loads != step.loads || failures != step.failures {
				t.Errorf("after %+v: in use %q, %d loads, %d failures", step, inUse, loads, failures)
			}
			mu.Unlock()
		}
		cancel()
	})
}
