package apachekafka

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is a running Layout whose brokers a test kills and starts. Not safe for concurrent use.
type Cluster struct {
	*Layout
	t       testing.TB
	running []*exec.Cmd
}

// patience is how long a broker may take for anything: the machine may be very busy.
const patience = 2 * time.Minute

// Start starts n brokers for a test, waits until all are in the cluster, and ends them with the test. Where Apache
// Kafka cannot run the test is skipped, and says what is missing.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	if err := Missing(); err != nil {
		t.Skip(err)
	}
	layout, err := Prepare(t.Context(), t.TempDir(), n)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Layout: layout, t: t, running: make([]*exec.Cmd, n)}
	t.Cleanup(func() {
		for i := range c.running {
			c.Kill(i)
			if t.Failed() {
				text, _ := os.ReadFile(c.log(i))
				t.Logf("broker %d said:\n%s", i+1, text[max(0, len(text)-4000):])
			}
		}
	})
	for i := range n {
		c.Run(i)
	}
	c.AwaitInSync()
	return c
}

func (c *Cluster) log(i int) string { return filepath.Join(c.Dir, fmt.Sprintf("broker%d.log", i+1)) }

// Run starts broker i, counted from 0.
func (c *Cluster) Run(i int) {
	c.t.Helper()
	log, err := os.OpenFile(c.log(i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	command := c.Brokers[i].Command
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // ends with the test, however that ends
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("start broker %d: %v", i+1, err)
	}
	c.running[i] = cmd
}

// Kill is kill -9 of broker i.
func (c *Cluster) Kill(i int) {
	if cmd := c.running[i]; cmd != nil {
		cmd.Process.Kill()
		cmd.Wait()
		c.running[i] = nil
	}
}

// AwaitInSync waits until all brokers are there and every replica is in sync.
func (c *Cluster) AwaitInSync() {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := c.InSync(c.t.Context())
		if err == nil {
			return
		}
		if time.Since(begun) > patience {
			c.t.Fatalf("after %s: %v", patience, err)
		}
	}
}

// AwaitGone waits until the cluster knows that a broker has gone.
func (c *Cluster) AwaitGone() {
	c.t.Helper()
	admin := kadm.NewClient(c.client())
	defer admin.Close()
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		brokers, err := admin.ListBrokers(c.t.Context())
		if err == nil && len(brokers) < len(c.Brokers) {
			return
		}
		if time.Since(begun) > patience {
			c.t.Fatalf("%d brokers are in the cluster after %s, %v", len(brokers), patience, err)
		}
	}
}

func (c *Cluster) client() *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Plain()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}
