package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/alloctest"
)

type settings struct {
	Addr  string            `help:"Where to listen." default:"127.0.0.1:1"`
	Keys  map[string]string `help:"Keys."`
	Queue queueSettings     `embed:"" prefix:"queue-"`
}

type queueSettings struct {
	MaxBytes int64         `help:"Limit." default:"64"`
	Linger   time.Duration `help:"Wait." default:"2ms"`
}

func TestDefault(t *testing.T) {
	got := Default[settings]()
	if got.Addr != "127.0.0.1:1" || got.Queue.MaxBytes != 64 || got.Queue.Linger != 2*time.Millisecond {
		t.Fatalf("got %+v", got)
	}
}

func TestFlagBeatsVariableBeatsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, "addr: file:1\nqueue:\n  max-bytes: 1\n  linger: 5ms\nkeys:\n  k1: shop\n")
	t.Setenv("GOSIGHT_QUEUE_MAX_BYTES", "2")
	t.Setenv("GOSIGHT_ADDR", "variable:1")

	got, err := Parse[settings](App{Name: "test"}, []string{"--config", file, "--addr", "flag:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Addr != "flag:1" || got.Queue.MaxBytes != 2 || got.Queue.Linger != 5*time.Millisecond || got.Keys["k1"] != "shop" {
		t.Fatalf("got %+v", got)
	}
}

func TestUnknownSettingIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, "queue:\n  max-byte: 1\n")
	_, err := Parse[settings](App{Name: "test"}, []string{"--config", file})
	if err == nil || !strings.Contains(err.Error(), "queue-max-byte") {
		t.Fatalf("got %v, want it to name the unknown setting", err)
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add("addr: x\nqueue: {max-bytes: 3}")
	f.Add("a: [1")
	f.Add("keys: {k: {}}")
	f.Add("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\naddr: [*c,*c,*c,*c,*c,*c,*c,*c]")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		write(t, file, text)
		// Aliases of aliases of aliases are what YAML may grow by.
		taken := alloctest.Bytes(func() { _, _ = Parse[settings](App{Name: "test"}, []string{"--config", file}) })
		if taken > 64*len(text)+16<<20 {
			t.Errorf("%d bytes took %d", len(text), taken)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// GOSIGHT_VERSION is what image tags are called in compose files: it must not make programs print theirs and end.
func TestVersionHasNoVariable(t *testing.T) {
	t.Setenv("GOSIGHT_VERSION", "1.2.3")
	if _, err := Parse[settings](App{Name: "test"}, nil); err != nil {
		t.Fatal(err)
	}
}
