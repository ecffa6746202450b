package target

import (
	"context"
	"errors"
)

type chain struct{}

var errNoChain = errors.New("the system is not a chain of separate processes")

// Chain TODO
func Chain(ctx context.Context, bin, dir string, process bool) (*System, error) {
	return nil, errNoChain
}
func (s *System) AwaitRelayed(ctx context.Context) error    { return errNoChain }
func (s *System) StartProcessing(ctx context.Context) error { return errNoChain }
func (s *System) StopProcessing() error                     { return errNoChain }
func (s *System) KillAggregator() error                     { return errNoChain }
func (s *System) StartAggregator(ctx context.Context) error { return errNoChain }
