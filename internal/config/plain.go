package config

import (
	"errors"
	"fmt"
	"net"
)

// Port is one that a program is to listen on without TLS.
type Port struct {
	Flag   string // which sets its address, without dashes
	Addr   string // host:port
	Remedy string // how it gets TLS, or what does its work
}

// RefusePlain says which of the ports would be open to other machines, each with its remedy. Programs ask it unless
// their operator said --insecure-public.
func RefusePlain(ports ...Port) error {
	var errs []error
	for _, p := range ports {
		host, _, err := net.SplitHostPort(p.Addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", p.Flag, p.Addr, err))
		} else if !Loopback(host) {
			errs = append(errs, fmt.Errorf("%s %s: other machines would reach it without TLS: %s; or say --insecure-public "+
				"where the network itself is private, such as a container's own", p.Flag, p.Addr, p.Remedy))
		}
	}
	return errors.Join(errs...)
}

// Loopback says whether only this machine reaches a host that is listened on. No host means all addresses.
func Loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
