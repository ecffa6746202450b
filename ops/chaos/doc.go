// Package chaos holds the tests of the promise "acked means counted exactly once": real programs, each a process of
// its own (agent, two aggregators, broker, engine), a driver that writes down with fsync what it sent and what it
// was told, and faults at random while it sends: every program killed, paused, slowed and kept away; its disk full,
// slow, failing, and its files damaged; ways cut off, stalled, without UDP; clocks that jump; an engine that takes
// no inserts. Then everything is healed, and what is stored is held against what was acked: event by event, and
// through every query of the product, which must answer as if every row stood once.
//
//	go test ./ops/chaos -run Short -v                                   about two minutes
//	go test ./ops/chaos -run Chaos -v -timeout 40m -args -for 10m        the long form
//	go test ./ops/chaos -run Chaos -v -args -for 10m -seed N             the faults of an earlier run again
//	go test ./ops/chaos -run Drain -v -timeout 60m -args -away 10m       the centre away, and back
//	go test ./ops/chaos -run Floods -v                                   hostile clients beside honest ones
//	make test-kafka                                                     on three brokers of Apache Kafka
//
// The programs are built with the tag "failpoints" (internal/failpoint). Two negative controls break a promise on
// purpose, an ack before the fsync and a ledger that does not deduplicate, and assert that the same check fails.
package chaos
