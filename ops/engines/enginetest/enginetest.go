// Package enginetest gives tests the embedded engines. Importing it lets the test binary run itself again as the
// ClickHouse engine's process, so no binary has to be built first.
package enginetest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosight/gosight/ops/engines"
)

const (
	childVariable    = "GOSIGHT_TEST_RUN_CLICKHOUSE"
	settingsVariable = "GOSIGHT_TEST_CLICKHOUSE_SETTINGS"
)

func init() {
	if os.Getenv(childVariable) != "1" {
		return
	}
	child := engines.ClickHouseChild{Lifeline: os.Stdin, Settings: os.Getenv(settingsVariable)}
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
func StartClickHouse(t testing.TB, dir string) *engines.ClickHouse { return start(t, dir, "") }

func start(t testing.TB, dir, settings string) *engines.ClickHouse {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	clickhouse, err := engines.StartClickHouse(context.Background(), engines.ClickHouseConfig{
		DataDir: dir, Addr: "127.0.0.1:0", Command: []string{self}, Env: []string{childVariable + "=1", settingsVariable + "=" + settings},
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

// TestClickHouseCluster is TestClickHouse with a cluster of that name, whose only shard is the engine itself:
// Distributed tables work. The engine has no Keeper, so ON CLUSTER and Replicated tables do not.
func TestClickHouseCluster(t testing.TB, cluster string) string {
	t.Helper()
	settings := filepath.Join(t.TempDir(), "cluster.xml")
	// Nothing listens on the port: an address of this machine with the engine's own port is the engine.
	text := fmt.Sprintf(`<clickhouse><tcp_port>9000</tcp_port><remote_servers><%[1]s><shard><replica>
		<host>127.0.0.1</host><port>9000</port></replica></shard></%[1]s></remote_servers></clickhouse>`, cluster)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, t.TempDir(), settings).URL()
}
