package ingest

import (
	"errors"
	"net/netip"
)

// Where a request carries its project key.
const (
	keyMetadata = "x-gosight-key"
	keyHeader   = "X-Gosight-Key"
	keyQuery    = "key"
)

// AnonymousProject is where events without a key go that come over loopback, where that is allowed.
const AnonymousProject = "default"

var (
	errNoKey      = errors.New("no project key: send it as gRPC metadata x-gosight-key, header X-Gosight-Key or ?key=")
	errUnknownKey = errors.New("unknown project key: check the key of your project, or whether it was revoked")
)

// Keys tells which project a write key belongs to.
type Keys struct {
	// Projects has the project of each key.
	Projects map[string]string
	// AnonymousLoopback takes requests without a key from this machine as AnonymousProject's.
	AnonymousLoopback bool
}

// project returns the project that a request with this key from this peer may write to.
func (k *Keys) project(key string, peer netip.Addr) (string, error) {
	if key == "" {
		if k.AnonymousLoopback && peer.Unmap().IsLoopback() {
			return AnonymousProject, nil
		}
		return "", errNoKey
	}
	if project, ok := k.Projects[key]; ok {
		return project, nil
	}
	return "", errUnknownKey
}
