package standalone

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// greet prints where everything is.
func greet(out io.Writer, ready Ready, c Config, took time.Duration) {
	fmt.Fprintf(out, "\n  GoSight is up (%.1f s)\n\n", took.Seconds())
	line := func(label, value string) { fmt.Fprintf(out, "  %-14s %s\n", label, value) }
	line("Watch visits", "http://"+reachable(ready.UI))
	line("Sign in", fmt.Sprintf("http://%s/?token=%s   to change keys and erase; and from elsewhere, to look",
		reachable(ready.UI), ready.AdminToken))
	if ready.Demo != "" {
		line("Demo shop", "http://"+reachable(ready.Demo)+"   browse it, and see yourself live")
	}
	line("On your pages", fmt.Sprintf(`<script async src="http://%s/sdk/gosight.js" data-key="%s"></script>`,
		reachable(ready.AgentHTTP), ready.ProjectKey))
	line("gRPC", reachable(ready.AgentGRPC))
	line("ClickHouse", ready.ClickHouse+"   database gosight, no password on this machine")
	line("Kafka", ready.Kafka)
	line("Metrics", fmt.Sprintf("http://%s/metrics  http://%s/metrics", ready.AgentAdmin, ready.AggregatorAdmin))
	line("Data, keys", c.Data)
	if !config.Loopback(c.Listen) {
		fmt.Fprint(out, "\n  Other machines reach it without TLS, as --listen says: put a proxy with a certificate in front.\n")
	}
	fmt.Fprint(out, "\n  Ctrl-C stops it; the data stays.\n\n")
}

// reachable is an address as one types it into a browser: a wildcard address is no name.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && net.ParseIP(host).IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// geoDB is the country database: the one asked for, or the npm package's above the working directory.
func (c Config) geoDB() string {
	if c.GeoDB != "" {
		return c.GeoDB
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		found, _ := filepath.Glob(filepath.Join(dir, "node_modules/@ip-location-db/geo-whois-asn-country-mmdb/*.mmdb"))
		for _, file := range found {
			return file
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
