package fleet

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/memberlist"

	"github.com/gosight/gosight/internal/reload"
)

// keyring are the gossip keys in use.
type keyring struct {
	cfg   Config
	ring  *memberlist.Keyring
	files *reload.Files
}

// openKeys returns nil where gossip is to be plain.
func openKeys(cfg Config) (*keyring, error) {
	if len(cfg.Keys) == 0 && cfg.KeyFile == "" {
		return nil, nil
	}
	ring, err := memberlist.NewKeyring(nil, nil)
	if err != nil {
		return nil, err
	}
	k := &keyring{cfg: cfg, ring: ring}
	k.files, err = reload.Open(k.load, cfg.KeyFile)
	return k, err
}

// load makes the configured keys the ring's, the first the one that encrypts.
func (k *keyring) load() error {
	keys, err := k.cfg.readKeys()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := k.ring.AddKey(key); err != nil {
			return fmt.Errorf("fleet: add a key: %w", err)
		}
	}
	if err := k.ring.UseKey(keys[0]); err != nil {
		return fmt.Errorf("fleet: use a key: %w", err)
	}
	for _, old := range k.ring.GetKeys() {
		if slices.ContainsFunc(keys, func(key []byte) bool { return bytes.Equal(key, old) }) {
			continue
		}
		if err := k.ring.RemoveKey(old); err != nil {
			return fmt.Errorf("fleet: remove a key: %w", err)
		}
	}
	return nil
}

// readKeys returns the configured keys, the one that encrypts first.
func (c Config) readKeys() ([][]byte, error) {
	texts := c.Keys
	if c.KeyFile != "" {
		text, err := os.ReadFile(c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("fleet: read keys: %w", err)
		}
		if texts = strings.Fields(string(text)); len(texts) == 0 {
			return nil, fmt.Errorf("fleet: no key in %s (`openssl rand -base64 32` makes one)", c.KeyFile)
		}
	}
	return decodeKeys(texts)
}

func decodeKeys(texts []string) ([][]byte, error) {
	keys := make([][]byte, len(texts))
	for i, text := range texts {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("fleet: key %d is not 32 bytes in base64 (`openssl rand -base64 32` makes one)", i+1)
		}
		keys[i] = key
	}
	return keys, nil
}
