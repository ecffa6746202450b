package main

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/ops/deploy"
)

// The services of docker-compose.yml that run this program must be able to; ops/deploy checks the other programs'.
func TestComposeStartsCommandsThatExist(t *testing.T) {
	value := func(name string) string { return "value-of-" + name }
	compose, err := deploy.ReadCompose(deploy.Root+"../docker-compose.yml", value)
	if err != nil {
		t.Fatal(err)
	}
	stages, err := deploy.ReadDockerfile(deploy.Root + "../ops/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for name, service := range compose.Services {
		if service.Build.Target != "gosight" {
			continue
		}
		seen++
		var root commands
		parser, err := kong.New(&root, config.Options(config.App{Name: "gosight"})...)
		if err != nil {
			t.Fatal(err)
		}
		var known []string
		for _, command := range parser.Model.Children {
			if command.Name == service.Command[0] {
				for _, flag := range command.Flags {
					known = append(known, flag.Envs...)
				}
			}
		}
		for variable, value := range service.Environment {
			if strings.HasPrefix(variable, "GOSIGHT_") && !slices.Contains(known, variable) {
				t.Errorf("%s: no setting of %q is read from %s", name, service.Command[0], variable)
			}
			t.Setenv(variable, value)
		}
		if _, err := parser.Parse(service.Command); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "demo" {
			_, port, _ := net.SplitHostPort(root.Demo.Listen)
			if !slices.Contains(stages["gosight"].Expose, port+"/tcp") || service.Healthcheck.Test[2] != "127.0.0.1:"+port {
				t.Errorf("the shop is on %s, the image exposes %v, the health check asks %v", root.Demo.Listen,
					stages["gosight"].Expose, service.Healthcheck.Test)
			}
			if root.Demo.Key != "value-of-GOSIGHT_PROJECT_KEY" {
				t.Errorf("the shop's key is %q", root.Demo.Key)
			}
		}
	}
	if seen < 2 {
		t.Errorf("%d services run this program", seen)
	}
}
