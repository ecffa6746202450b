package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
)

// guard turns what bbolt does on a damaged file (panics, and faults where the file is shorter than its map) into
// an error.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return fn()
}

// checkRoots verifies both of bbolt's meta pages: magic, version, page size, and FNV-1a over what precedes it.
func checkRoots(path string) error {
	const (
		pageHead = 16
		metaSize = 64
		magic    = 0xED0CDAED
	)
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer file.Close()
	pageSize := int64(0)
	for page := range int64(2) {
		var meta [metaSize]byte
		if _, err := file.ReadAt(meta[:], page*pageSize+pageHead); err != nil {
			return fmt.Errorf("root %d: %w: %w", page, errDamaged, err)
		}
		sum := fnv.New64a()
		sum.Write(meta[:metaSize-8])
		if binary.NativeEndian.Uint32(meta[:]) != magic ||
			binary.NativeEndian.Uint64(meta[metaSize-8:]) != sum.Sum64() {
			return fmt.Errorf("root %d: checksum differs: %w", page, errDamaged)
		}
		pageSize = int64(binary.NativeEndian.Uint32(meta[8:]))
	}
	return nil
}

// outOfResources tells what says nothing about the file, and passes.
func outOfResources(err error) bool {
	return slices.ContainsFunc([]error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EACCES, syscall.EPERM, syscall.EAGAIN,
	}, func(cause error) bool { return errors.Is(err, cause) })
}
