package forward

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gosight/gosight/proto/wire"
)

// rejectedSpool is a directory of batches that aggregators refused for good: one file each, a wire frame with one
// record, so that it carries its checksum and can be sent again as it is.
type rejectedSpool struct{ dir string }

// keep returns once the value is on disk.
func (s rejectedSpool) keep(value []byte) (path string, err error) {
	frame, err := wire.AppendFrame(nil, [][]byte{value})
	if err != nil {
		return "", fmt.Errorf("pack rejected batch: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", fmt.Errorf("create directory for rejected batches: %w", err)
	}
	file, err := os.CreateTemp(s.dir, time.Now().UTC().Format("20060102T150405.000000000")+"-*.frame")
	if err != nil {
		return "", fmt.Errorf("keep rejected batch: %w", err)
	}
	_, writeErr := file.Write(frame)
	if err := errors.Join(writeErr, file.Sync(), file.Close(), syncDir(s.dir)); err != nil {
		os.Remove(file.Name())
		return "", fmt.Errorf("keep rejected batch: %w", err)
	}
	return filepath.Clean(file.Name()), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
