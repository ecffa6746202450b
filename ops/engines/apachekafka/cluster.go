package apachekafka

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is a running Layout whose brokers a test kills, stops and starts. Not safe for concurrent use.
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
	c.Await(n)
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
func (c *Cluster) Kill(i int) { c.end(i, syscall.SIGKILL) }

// Stop lets broker i hand its partitions over and leave.
func (c *Cluster) Stop(i int) { c.end(i, syscall.SIGTERM) }

func (c *Cluster) end(i int, signal syscall.Signal) {
	if cmd := c.running[i]; cmd != nil {
		cmd.Process.Signal(signal)
		cmd.Wait()
		c.running[i] = nil
	}
}

// Await waits until the cluster has n brokers.
func (c *Cluster) Await(n int) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Plain()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		brokers, err := admin.ListBrokers(ctx)
		if err == nil && len(brokers) == n && c.listening() == n {
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("%d of %d brokers after %s: %v", len(brokers), n, patience, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// listening is how many brokers take connections.
func (c *Cluster) listening() int {
	n := 0
	for _, addr := range c.Plain() {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			conn.Close()
			n++
		}
	}
	return n
}
