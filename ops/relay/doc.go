// Package relay tests the way from the agent's queue through agent/forward into aggregator/receive: the two may not
// import each other, so it is here that the real ones meet. What stands behind the aggregator (Kafka) is a fake.
package relay
