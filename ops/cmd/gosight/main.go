// Command gosight runs all of GoSight on one machine: `gosight up`. It also has what a first installation of
// several machines needs: certificates, and the demo shop.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/ops/engines"
	"github.com/gosight/gosight/ops/standalone"
)

var version = "dev"

type commands struct {
	Config  kong.ConfigFlag `help:"YAML settings; flags and variables win." placeholder:"FILE" env:"GOSIGHT_CONFIG"`
	Up      upCommand       `cmd:"" help:"Start everything on this machine; Ctrl-C stops it."`
	Demo    demoShop        `cmd:"" help:"Serve the demo shop alone, for an agent that runs elsewhere."`
	Seed    seedCommand     `cmd:"" help:"Load generated history straight into ClickHouse."`
	Project projectCommand  `cmd:"" help:"Projects and their settings."`
	Key     keyCommand      `cmd:"" help:"Write keys, which pages and servers send with."`
	Token   tokenCommand    `cmd:"" help:"Read tokens, which people and programs look with."`
	Agent   agentCommand    `cmd:"" help:"Agents' tokens, which they relay with."`
	Erase   eraseCommand    `cmd:"" help:"Erase all that is known of a user or a session, or export it."`
	Certs   certs           `cmd:"" help:"Make certificates and tokens for agents and aggregators that run apart."`
	DLQ     deadLetters     `cmd:"" name:"dlq" help:"Look at the dead letters in Kafka, and put them back."`
	Engine  engine          `cmd:"" hidden:""`
	Version printVersion    `cmd:"" help:"Print the version."`
}

type upCommand struct {
	standalone.Config `embed:""`
}

func (c upCommand) Run(ctx context.Context) error {
	log, err := observe.NewLogger(os.Stderr, c.LogFormat, c.LogLevel)
	if err != nil {
		return err
	}
	observe.LimitMemory(log)
	return standalone.Run(ctx, c.Config, os.Stdout, log)
}

// engine is what `up` runs as a process of its own.
type engine struct {
	Clickhouse clickhouse `cmd:"" help:"Serve ClickHouse's HTTP interface in front of the embedded engine."`
	Kafka      kafka      `cmd:"" help:"Serve the embedded Kafka."`
}

type clickhouse struct {
	Path     string `help:"Data directory." required:""`
	Listen   string `help:"Where to serve, host:port." default:"127.0.0.1:18123"`
	ListenFD int    `name:"listen-fd" help:"Serve on this inherited socket, and end when standard input closes."`
	Library  string `help:"The engine's library."`
}

func (c clickhouse) Run(ctx context.Context) error {
	child := engines.ClickHouseChild{Path: c.Path, Listen: c.Listen, ListenFD: c.ListenFD, Library: c.Library}
	if c.ListenFD != 0 {
		child.Lifeline = os.Stdin
	}
	log, err := observe.NewLogger(os.Stderr, "text", "info")
	if err != nil {
		return err
	}
	return child.Run(ctx, log)
}

type printVersion struct{}

func (printVersion) Run() error {
	fmt.Println(version)
	return nil
}

func main() {
	app := config.App{
		Name:        "gosight",
		Version:     version,
		Description: "What people do on a site: insights and session replays, self-hosted.",
	}
	var root commands
	parser, err := kong.New(&root, config.Options(app)...)
	if err != nil {
		config.Exit(app, err)
	}
	call, err := parser.Parse(os.Args[1:])
	if err != nil {
		config.Exit(app, fmt.Errorf("%w (see gosight --help)", err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	call.BindTo(ctx, (*context.Context)(nil))
	if err := call.Run(); err != nil {
		config.Exit(app, err)
	}
}
