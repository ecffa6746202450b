// Package fleet tests a fleet over a real network: two regions with an agent each, two aggregators, and visitors, each
// in a network namespace of its own, with ways between them that are long, lose packets, reorder them, block UDP or
// are cut. The programs are the real ones; the tests watch them through their ports.
//
// The ways are carried by the test itself, over a TUN device in each namespace: that needs root, and neither netem
// (which many kernels leave out) nor the ip and tc programs.
package fleet
