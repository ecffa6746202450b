package engines

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// StopSignals ends the context at SIGINT or SIGTERM.
func StopSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
