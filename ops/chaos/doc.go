// Package chaos holds the tests of the promise "acked means counted exactly once": real programs, each a process of
// its own (agent, two aggregators, broker, engine), a driver that writes down with fsync what it sent and what it
// was told, and faults at random while it sends. Then everything is healed, and what is stored is held against
// what was acked: event by event, and through every query of the product.
//
//	go test ./ops/chaos -run Short -v                                   about two minutes
//	go test ./ops/chaos -run Chaos -v -timeout 40m -args -for 10m        the long form
//	go test ./ops/chaos -run Chaos -v -args -seed N                      the faults of an earlier run again
//
// The programs are built with the tag "failpoints" (internal/failpoint). Two negative controls break a promise on
// purpose, an ack before the fsync and a ledger that does not deduplicate, and assert that the same check fails.
package chaos
