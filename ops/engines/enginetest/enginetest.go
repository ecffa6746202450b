// Package enginetest gives tests the embedded engines. Importing it lets the test binary run itself again as the
// ClickHouse engine's process, so no binary has to be built first.
package enginetest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/gosight/gosight/ops/engines"
)

const childVariable = "GOSIGHT_TEST_RUN_CLICKHOUSE"

func init() {
	if os.Getenv(childVariable) != "1" {
		return
	}
	child := engines.ClickHouseChild{Lifeline: os.Stdin}
	flags := flag.NewFlagSet("clickhouse", flag.ExitOnError)
	flags.StringVar(&child.Path, "path", "", "")
	flags.StringVar(&child.Library, "library", "", "")
	flags.IntVar(&child.ListenFD, "listen-fd", 0, "")
	flags.Parse(os.Args[1:])
	ctx, stop := engines.StopSignals(context.Background())
	defer stop()
	if err := child.Run(ctx, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// StartClickHouse starts an engine on dir for a test, and stops it with the test.
func StartClickHouse(t testing.TB, dir string) *engines.ClickHouse {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	clickhouse, err := engines.StartClickHouse(context.Background(), engines.ClickHouseConfig{
		DataDir: dir, Addr: "127.0.0.1:0", Command: []string{self}, Env: []string{childVariable + "=1"},
	}, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clickhouse.Stop)
	return clickhouse
}

// TestClickHouse starts an empty engine for a test and returns its URL (http://host:port).
func TestClickHouse(t testing.TB) string {
	t.Helper()
	return StartClickHouse(t, t.TempDir()).URL()
}
