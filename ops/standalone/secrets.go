package standalone

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secrets are made on the first start and kept with the data.
type secrets struct {
	ProjectKey string `json:"project_key"` // what pages send; not secret, but guessing it is no use
	AdminToken string `json:"admin_token"` // opens the API and UI from elsewhere than loopback
	RelayToken string `json:"relay_token"` // the agent shows it to the aggregator
}

func loadSecrets(path string) (secrets, error) {
	var s secrets
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s = secrets{ProjectKey: "gs_" + rand.Text(), AdminToken: rand.Text(), RelayToken: rand.Text()}
		return s, writeJSON(path, s)
	case err != nil:
		return s, fmt.Errorf("read keys: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil || s.ProjectKey == "" || s.AdminToken == "" || s.RelayToken == "" {
		return s, fmt.Errorf("%s is damaged (%v): delete it, and new keys are made", path, err)
	}
	return s, nil
}

// writeJSON replaces a file as a whole, readable by its owner only: a reader never sees a part of it.
func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		os.Remove(temporary.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
