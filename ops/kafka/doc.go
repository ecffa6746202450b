// Package kafka holds the tests of package bus on Apache Kafka itself, three brokers on loopback: the contract that
// it keeps on any broker, and what only real ones show: passwords and certificates, too few replicas in sync, a
// killed leader. `make test-kafka` runs it; the whole system on Apache Kafka, with a rolling restart, is in ops/chaos.
package kafka
