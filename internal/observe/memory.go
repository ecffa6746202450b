package observe

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// LimitMemory tells the garbage collector how much memory there is: what GOMEMLIMIT says, else nine tenths of the
// container's limit, where it has one. Budgets bound what is live; this keeps what is dead, and not collected yet,
// from getting the process killed.
func LimitMemory(log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(0.9))
	if err != nil || limit == math.MaxInt64 {
		log.Debug("the garbage collector has no limit: no GOMEMLIMIT, and no container's", "error", err)
		return
	}
	log.Info("the garbage collector has a limit", "bytes", limit)
}

// CollectAt lets the heap grow by percent of what is live before it is collected, where GOGC says nothing else.
func CollectAt(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
