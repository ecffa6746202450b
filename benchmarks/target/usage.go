package target

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Usage is what a process has used since it started.
type Usage struct {
	PID        int     `json:"pid"`
	CPUSeconds float64 `json:"cpu_s"`
	// RSSBytes is the resident size. PrivateBytes of it are the process's own memory; the rest is pages of files,
	// such as bbolt's maps of the queue, which the kernel takes back when it needs them.
	RSSBytes     int64 `json:"rss_bytes"`
	PrivateBytes int64 `json:"private_bytes"`
}

// Sub is what was used since before, by another process all of it; memory is not a sum and stays.
func (u Usage) Sub(before Usage) Usage {
	if u.PID == before.PID {
		u.CPUSeconds -= before.CPUSeconds
	}
	return u
}

// clockTicks a second: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTicks = 100

func usage(pid int) (Usage, error) {
	u := Usage{PID: pid}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The name in parentheses may hold anything, so count fields from its end: utime and stime are 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return u, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
		}
		u.CPUSeconds += ticks / clockTicks
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			u.RSSBytes = kib << 10
		case "RssAnon":
			u.PrivateBytes = kib << 10
		}
	}
	return u, nil
}

// Usage returns what each process has used, by role; "generator" is this one. Children that the processes started
// are told by their command line.
func (s *System) Usage() (map[string]Usage, error) {
	self, err := usage(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("read own usage: %w", err)
	}
	used := map[string]Usage{"generator": self}
	s.mu.Lock()
	processes := slices.Clone(s.processes)
	s.mu.Unlock()
	for _, p := range processes {
		if used[p.Role], err = usage(p.PID()); err != nil {
			return nil, fmt.Errorf("read usage of %s: %w\n%s", p.Role, err, p.tail())
		}
		for pid, role := range children(p.PID()) {
			if u, err := usage(pid); err == nil { // it may have ended meanwhile
				used[role] = u
			}
		}
	}
	return used, nil
}

// children finds the processes below pid and what each is: the last bare word of its command, as in
// "gosight engine clickhouse --path=…".
func children(pid int) map[int]string {
	found := make(map[int]string)
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well formed
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if err != nil {
				continue
			}
			role := "child"
			for _, word := range strings.Split(string(command), "\x00") {
				if word != "" && !strings.HasPrefix(word, "-") {
					role = filepath.Base(word)
				} else if word != "" {
					break
				}
			}
			found[child] = role
		}
	}
	return found
}

// Machine is the processor's name and the memory, in words.
func Machine() string {
	model, memory := "unknown CPU", ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			if kib, err := strconv.Atoi(fields[1]); err == nil {
				memory = fmt.Sprintf(", %d GB", kib>>20)
			}
		}
	}
	return model + memory
}
