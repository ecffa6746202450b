package target

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestUsageOfThisProcess(t *testing.T) {
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
		continue // CPU time is what is measured
	}
	u, err := usage(os.Getpid())
	if err != nil || u.CPUSeconds <= 0 || u.RSSBytes < 1<<20 || u.PrivateBytes > u.RSSBytes || u.PID != os.Getpid() {
		t.Errorf("%+v, %v", u, err)
	}
	if left := u.Sub(Usage{PID: u.PID, CPUSeconds: u.CPUSeconds}); left.CPUSeconds != 0 {
		t.Errorf("%+v", left)
	}
	if other := u.Sub(Usage{PID: 1, CPUSeconds: 99}); other.CPUSeconds != u.CPUSeconds {
		t.Errorf("a process that was started anew is charged with its forerunner's: %+v", other)
	}
}

func TestChildrenAreNamedByTheirCommand(t *testing.T) {
	cmd := exec.Command("sleep", "60", "--")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	role := func() string { return children(os.Getpid())[cmd.Process.Pid] }
	// The kernel shows a new program's command line a moment after it has started it.
	for began := time.Now(); role() == "child" && time.Since(began) < 10*time.Second; {
		runtime.Gosched()
	}
	if got := role(); got != "60" {
		t.Errorf("role is %q", got)
	}
}

func TestMetricsAreSummedOverLabels(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\n# TYPE depth gauge\ndepth 7\n"))
	}))
	defer server.Close()
	got, err := Metrics(t.Context(), server.URL)
	if err != nil || got["a_total"] != 5 || got["depth"] != 7 {
		t.Errorf("%v, %v", got, err)
	}
}
