package engines

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// engineNice is by how much the engine stands back behind the other programs of its machine, as nice does. It gets
// what they leave: where all are busy, rows come a little later, and answers to clients stay as fast.
const engineNice = 10

// standBack gives this process a lower priority. To Linux, that is each thread's own, which the threads that it
// starts inherit: call it before there are many.
func standBack(nice int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil { // not Linux
		return syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err == nil {
			err = syscall.Setpriority(syscall.PRIO_PROCESS, id, nice)
		}
		if err != nil && err != syscall.ESRCH { // a thread that has ended
			return fmt.Errorf("lower the priority of thread %s: %w", task.Name(), err)
		}
	}
	return nil
}
