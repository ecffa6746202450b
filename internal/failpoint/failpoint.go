// Package failpoint names the edges of the way of an event (before and after each commit, send and ack), so that
// ops/chaos can crash, delay or fail a program exactly there. Only programs built with the tag "failpoints" have
// them; in all others the calls compile to nothing.
//
// The variable GOSIGHT_FAILPOINTS arms them: a list of NAME=ACTION separated by ";". ACTION is crash (kill -9 of
// this process; crash:DURATION waits first), error (EIO), delay:DURATION or on (for On), and with @N it happens at
// every Nth hit only: "forward/sent=crash@7;queue/fsync=delay:50ms". clock=jump:DURATION@N sets the clock that Now
// shows by so much, and back, at every Nth look at it.
package failpoint

// Variable is the environment variable that arms failpoints.
const Variable = "GOSIGHT_FAILPOINTS"
