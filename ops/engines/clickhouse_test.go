package engines_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosight/gosight/ops/engines"
	"github.com/gosight/gosight/ops/engines/chdb"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

func query(t *testing.T, url, sql string) string {
	t.Helper()
	response, err := http.Post(url, "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", sql, response.Status, body, err)
	}
	return strings.TrimSpace(string(body))
}

func TestClickHouseComesBackAfterKill(t *testing.T) {
	clickhouse := enginetest.StartClickHouse(t, t.TempDir())
	url := clickhouse.URL()
	query(t, url, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	query(t, url, "INSERT INTO t SELECT number FROM numbers(1000)")
	for kill := 1; kill <= 2; kill++ {
		first := clickhouse.PID()
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for clickhouse.PID() == first { // the supervisor has yet to see it
			time.Sleep(time.Millisecond)
		}
		// Requests wait in the socket until the next child takes them.
		if got := query(t, url, "SELECT count() FROM t"); got != "1000" {
			t.Errorf("%s rows after the restart", got)
		}
		if clickhouse.PID() == first || clickhouse.Restarts() != kill {
			t.Errorf("pid %d after %d, %d restarts", clickhouse.PID(), first, clickhouse.Restarts())
		}
	}
}

func TestClickHouseStopsAndStartsOnItsData(t *testing.T) {
	dir := t.TempDir()
	clickhouse := enginetest.StartClickHouse(t, dir)
	query(t, clickhouse.URL(), "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	query(t, clickhouse.URL(), "INSERT INTO t VALUES (42)")
	pid := clickhouse.PID()
	clickhouse.Stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there after Stop: %v", pid, err)
	}
	again := enginetest.StartClickHouse(t, dir)
	if got := query(t, again.URL(), "SELECT a FROM t"); got != "42" {
		t.Errorf("reads %s", got)
	}
}

func TestClickHouseErrorsNameTheRemedy(t *testing.T) {
	start := func(config engines.ClickHouseConfig) error {
		t.Helper()
		clickhouse, err := engines.StartClickHouse(context.Background(), config, slog.Default())
		if err == nil {
			clickhouse.Stop()
			t.Fatal("it started")
		}
		return err
	}
	err := start(engines.ClickHouseConfig{DataDir: t.TempDir(), Addr: "127.0.0.1:0", Library: "/no/such.so"})
	if !errors.Is(err, chdb.ErrNoLibrary) || !strings.Contains(err.Error(), "npm install") {
		t.Errorf("missing library: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = start(engines.ClickHouseConfig{DataDir: t.TempDir(), Addr: taken.Addr().String()})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("taken port: %v", err)
	}
	notALibrary := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(notALibrary, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	err = start(engines.ClickHouseConfig{DataDir: t.TempDir(), Addr: "127.0.0.1:0", Library: notALibrary,
		Command: []string{self}, Env: []string{"GOSIGHT_TEST_RUN_CLICKHOUSE=1"}})
	if !strings.Contains(err.Error(), notALibrary) {
		t.Errorf("damaged library: %v", err)
	}
}
