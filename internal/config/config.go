// Package config fills a struct from flags, GOSIGHT_* variables and a YAML file, in that order of precedence.
//
// The struct's kong tags (help, default, prefix, ...) are the one place that names a setting, explains it and
// holds its default; --help prints them. The flag --queue-max-bytes is the variable GOSIGHT_QUEUE_MAX_BYTES and
// the YAML key queue-max-bytes, or max-bytes below queue.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"
	"gopkg.in/yaml.v3"
)

// App is what --help and --version say of a program.
type App struct {
	Name        string
	Description string
	Version     string
}

// Options are the kong options that every program of GoSight shares.
func Options(app App) []kong.Option {
	return []kong.Option{
		kong.Name(app.Name),
		kong.Description(app.Description),
		kong.Vars{"version": app.Version},
		kong.DefaultEnvars("GOSIGHT"),
		kong.Configuration(loadYAML),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	}
}

// Parse reads the program's settings into a T. It ends the program after --help and --version. It does not call
// Validate, which kong would do on every struct within: what owns the whole fills in and validates the parts.
func Parse[T any](app App, args []string) (T, error) {
	var settings T
	var common struct {
		Config  kong.ConfigFlag  `help:"YAML file with settings; flags and variables win." placeholder:"FILE" env:"GOSIGHT_CONFIG"`
		Version kong.VersionFlag `help:"Print the version." env:"-"`
	}
	parser, err := kong.New(&common, append(Options(app), kong.Embed(&settings))...)
	if err != nil {
		return settings, fmt.Errorf("describe settings: %w", err)
	}
	if _, err := parser.Parse(args); err != nil {
		return settings, fmt.Errorf("%w (see %s --help)", err, app.Name)
	}
	return settings, nil
}

// Default returns a T that holds the defaults of its tags, not validated: some settings have none. Tags are
// constants, so it panics where one is wrong.
func Default[T any]() T {
	var settings T
	parser, err := kong.New(&struct{}{}, kong.Embed(&settings), kong.Name("default"))
	if err == nil {
		_, err = parser.Parse(nil)
	}
	if err != nil {
		panic(fmt.Sprintf("config: default of %T: %v", settings, err))
	}
	return settings
}

// loadYAML is kong's YAML loader that also refuses keys which no setting has: a misspelt limit must not pass as
// a default.
func loadYAML(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	resolver, err := kongyaml.Loader(strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	keys := map[string]any{}
	if err := yaml.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return checked{Resolver: resolver, keys: keys}, nil
}

type checked struct {
	kong.Resolver
	keys map[string]any
}

// Resolve leaves a flag alone whose variable is set: kong by itself would let the file win over it.
func (c checked) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return c.Resolver.Resolve(ctx, parent, flag)
}

// Validate is called by kong with the whole model once the file is loaded.
func (c checked) Validate(app *kong.Application) error {
	known := map[string]*kong.Flag{}
	for _, flags := range app.AllFlags(false) {
		for _, flag := range flags {
			known[flag.Name] = flag
		}
	}
	var errs []error
	var visit func(prefix string, keys map[string]any)
	visit = func(prefix string, keys map[string]any) {
		for key, value := range keys {
			name := prefix + key
			if known[name] != nil {
				continue
			}
			if nested, ok := value.(map[string]any); ok {
				visit(name+"-", nested)
				continue
			}
			errs = append(errs, fmt.Errorf("configuration file: unknown setting %q", name))
		}
	}
	visit("", c.keys)
	return errors.Join(errs...)
}

// Exit prints err as main's last words, and ends the program.
func Exit(app App, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", app.Name, err)
	os.Exit(1)
}
