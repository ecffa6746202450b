// Package freeport finds ports for programs that tests and benchmarks start.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports below the range from which outgoing connections are numbered: one of those could take a port before its
// owner listens.
const (
	first = 20_000
	many  = 12_000
)

// Addrs are n different addresses on loopback, HOST:PORT, on which nobody listens now, on TCP or UDP.
func Addrs(n int) ([]string, error) {
	var addrs []string
	var last error
	for range n + many {
		if len(addrs) == n {
			return addrs, nil
		}
		addr := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(many))
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			last = err
			continue
		}
		defer tcp.Close() // only when all are found, or one would be found twice
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			last = err
			continue
		}
		defer udp.Close()
		addrs = append(addrs, addr)
	}
	return nil, fmt.Errorf("find %d free ports from %d to %d: %w", n, first, first+many-1, last)
}
