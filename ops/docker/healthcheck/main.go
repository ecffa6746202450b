// Command healthcheck asks a part's admin port whether it is ready, for images without a shell:
//
//	HEALTHCHECK CMD ["/healthcheck", "127.0.0.1:7712", "/readyz"]
//
// It speaks to the socket itself, since net/http would make it a quarter of the agent's size.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: healthcheck HOST:PORT PATH")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(addr, path string) error {
	const patience = 3 * time.Second
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, addr); err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	status, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", addr, err)
	}
	if fields := strings.Fields(status); len(fields) < 2 || fields[1] != "200" {
		return fmt.Errorf("%s says %s", addr+path, strings.TrimSpace(status))
	}
	return nil
}
