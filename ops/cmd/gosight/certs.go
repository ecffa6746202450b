package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosight/gosight/internal/devcert"
)

// certs is what a first installation of several machines or containers needs between agents and aggregators.
// Whatever is there and good is kept, so that it can run before every start.
type certs struct {
	Dir    string   `help:"Made below it: aggregator, and a folder for each agent." default:"./secrets" placeholder:"DIR"`
	Hosts  []string `help:"Names and addresses of the aggregators." default:"localhost,127.0.0.1"`
	Agents []string `help:"Names of the agents; each gets a token of its own." required:""`
}

// Run leaves DIR/aggregator with ca.pem, ca.key, server.pem, server.key and tokens, and DIR/AGENT with ca.pem and
// token: what each --receive-… and --forward-… flag asks for.
func (c certs) Run() error {
	centre := filepath.Join(c.Dir, "aggregator")
	_, _, caFile, err := devcert.Ensure(centre, c.Hosts...)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return fmt.Errorf("read the CA: %w", err)
	}
	var tokens strings.Builder
	for _, agent := range c.Agents {
		if agent == "" || agent[0] == '.' || agent == "aggregator" ||
			agent != filepath.Base(agent) || strings.ContainsAny(agent, " \t") {
			return fmt.Errorf("%q cannot be an agent's name here: it is to be a folder's", agent)
		}
		edge := filepath.Join(c.Dir, agent)
		if err := os.MkdirAll(edge, 0o700); err != nil {
			return fmt.Errorf("make the agent's folder: %w", err)
		}
		token, err := keptToken(filepath.Join(edge, "token"))
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(edge, "ca.pem"), string(ca), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&tokens, "%s %s\n", agent, token)
	}
	if err := replace(filepath.Join(centre, "tokens"), tokens.String(), 0o600); err != nil {
		return err
	}
	fmt.Printf("%s is for the aggregators; each agent has its own folder beside it.\n", centre)
	return nil
}

// keptToken is the token in the file, or a new one that is then in it.
func keptToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if token := strings.TrimSpace(string(text)); err == nil && token != "" {
		return token, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := rand.Text()
	return token, replace(path, token+"\n", 0o600)
}

// replace writes a file as a whole: a running aggregator may be looking at it.
func replace(path, text string, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	if err := os.WriteFile(path+".new", []byte(text), mode); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
