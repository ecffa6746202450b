package engines

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrLocked says that another process holds a lock file.
var ErrLocked = errors.New("another process is using it")

// LockFile takes an exclusive lock on a file, creating it, or returns ErrLocked at once. The lock ends with unlock
// or with the process.
func LockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, err
	}
	return func() { file.Close() }, nil
}

// lockFile is LockFile that gives the present holder some time to go away.
func lockFile(ctx context.Context, path string, patience time.Duration) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if unlock, err = LockFile(path); !errors.Is(err, ErrLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
