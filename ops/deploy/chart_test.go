package deploy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/gosight/gosight/internal/fleet"
)

const chart = Root + "ops/helm/gosight/"

// renderings are the golden files, and the values that they are made with.
var renderings = map[string][]string{
	"default": nil,
	"full":    {"-f", "testdata/full.yaml"},
}

// helm runs the one that `make helm` builds.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	binary, err := filepath.Abs(Root + "ops/tools/bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip("no helm: `make helm` builds it, which takes minutes, and runs this test")
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = chart
	// Nothing of this user's own settings, and no network.
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func template(values ...string) []string {
	return append([]string{"template", "gosight", ".", "--namespace", "gosight", "--kube-version", "1.33.0"}, values...)
}

// With UPDATE=1 in the environment the golden files are written anew; look at the difference before it is committed.
func TestChartRendersAsBefore(t *testing.T) {
	for name, values := range renderings {
		got, err := helm(t, template(values...)...)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, got)
			continue
		}
		golden := chart + "testdata/" + name + ".golden.yaml"
		if os.Getenv("UPDATE") == "1" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got != string(want) {
			t.Errorf("%s renders otherwise than %s (%v): make helm UPDATE=1, and look at the difference", name, golden, err)
		}
	}
	if out, err := helm(t, "lint", "--strict", "."); err != nil {
		t.Errorf("helm lint: %v\n%s", err, out)
	}
}

func TestChartRefusesWrongValues(t *testing.T) {
	for _, wrong := range []string{
		"agent.config.forward-token=x",               // a secret in a ConfigMap
		"aggregator.config.clickhouse-password=x",    // likewise
		"agent.image.tag=latest",                     // not pinned
		"agent.imagge.tag=1",                         // misspelt
		"aggregator.autoscaling.minReplicas=0",       // nobody left
		"agent.queue.hostPath=var",                   // not a path
		"agent.keysSecret=",                          // nobody could send
		"aggregator.terminationGracePeriodSeconds=1", // killed while draining
	} {
		if out, err := helm(t, template("--set", wrong)...); err == nil {
			t.Errorf("%s was taken", wrong)
		} else if !strings.Contains(out, "values don't meet the specifications of the schema") {
			t.Errorf("%s: %s", wrong, out)
		}
	}
}

// manifest is what tests look at in a Kubernetes object.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		Template struct{ Spec pod }
		Selector any
		Ports    []struct {
			Name, Protocol string
			Port           int
			TargetPort     string `yaml:"targetPort"`
		}
		Endpoints []struct{ Port string }
		Ingress   any
		Egress    any
	}
}

type pod struct {
	SecurityContext map[string]any `yaml:"securityContext"`
	InitContainers  []container    `yaml:"initContainers"`
	Containers      []container
	Volumes         []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName string `yaml:"secretName"`
		}
	}
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
}

type container struct {
	Name, Image string
	Args        []string
	Env         []struct {
		Name, Value string
		ValueFrom   map[string]any `yaml:"valueFrom"`
	}
	Ports []struct {
		Name, Protocol string
		ContainerPort  int `yaml:"containerPort"`
	}
	Probes       map[string]any `yaml:",inline"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
		AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
	} `yaml:"securityContext"`
	Resources struct{ Limits map[string]string }
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// probe decodes one of the container's probes.
func (c container) probe(name string) (p probe) {
	text, _ := yaml.Marshal(c.Probes[name])
	_ = yaml.Unmarshal(text, &p)
	return p
}

// ports are the container's, by name: "7720/UDP".
func (c container) ports() map[string]string {
	byName := map[string]string{}
	for _, p := range c.Ports {
		protocol := p.Protocol
		if protocol == "" {
			protocol = "TCP"
		}
		byName[p.Name] = strconv.Itoa(p.ContainerPort) + "/" + protocol
	}
	return byName
}

func manifests(t *testing.T, file string) []manifest {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if m.Kind != "" {
			all = append(all, m)
		}
	}
}

// begins is how a container starts: arguments, with its ConfigMap's file here, and variables.
func begins(t *testing.T, c container, p pod, all []manifest) (args []string, env map[string]string) {
	t.Helper()
	env = map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil {
			env[e.Name] = "sixteen-characters-or-more"
		}
		if e.Name == "GOSIGHT_KEYS" {
			env[e.Name] = "key=default"
		}
	}
	for _, arg := range c.Args {
		if file, ok := strings.CutPrefix(arg, "--config="); ok {
			arg = "--config=" + mountedFile(t, file, c, p, all)
		}
		args = append(args, arg)
	}
	return args, env
}

func mountedFile(t *testing.T, file string, c container, p pod, all []manifest) string {
	t.Helper()
	for _, mount := range c.VolumeMounts {
		for _, volume := range p.Volumes {
			for _, m := range all {
				text, ok := m.Data[path.Base(file)]
				if ok && mount.MountPath == path.Dir(file) && volume.Name == mount.Name && m.Kind == "ConfigMap" &&
					m.Metadata.Name == volume.ConfigMap.Name {
					local := filepath.Join(t.TempDir(), "config.yaml")
					if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					return local
				}
			}
		}
	}
	t.Fatalf("%s is in no ConfigMap that is mounted", file)
	return ""
}

// checkContainer says what in a container does not fit the program: listens are its addresses by port name.
func checkContainer(t *testing.T, c container, p pod, listens map[string]string, admin string, files ...string) {
	t.Helper()
	if got := c.ports(); !maps.Equal(got, listens) {
		t.Errorf("%s: container ports %v, the program listens on %v", c.Name, got, listens)
	}
	for probe, at := range map[string]string{"startupProbe": "", "livenessProbe": "/healthz", "readinessProbe": "/readyz"} {
		get := c.probe(probe).HTTPGet
		if probe == "readinessProbe" && get.Path == "" && strings.HasPrefix(c.Name, "gosight-") {
			continue // a sidecar: the application's own readiness counts
		}
		if listens[get.Port] != admin+"/TCP" || at != "" && get.Path != at {
			t.Errorf("%s: %s asks %s of port %s", c.Name, probe, get.Path, get.Port)
		}
	}
	for _, file := range files {
		if !slices.ContainsFunc(c.VolumeMounts, func(m struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		}) bool {
			return m.MountPath == file || m.MountPath == path.Dir(file)
		}) {
			t.Errorf("%s: nothing is mounted at %s", c.Name, file)
		}
	}
	if !c.SecurityContext.ReadOnlyRootFilesystem || c.SecurityContext.AllowPrivilegeEscalation ||
		p.SecurityContext["runAsNonRoot"] != true {
		t.Errorf("%s may do more than it needs", c.Name)
	}
	if c.Resources.Limits["memory"] == "" {
		t.Errorf("%s has no memory limit", c.Name)
	}
	if tag := path.Base(c.Image); !strings.Contains(tag, ":") || strings.HasSuffix(tag, ":latest") {
		t.Errorf("%s: image %s is not pinned", c.Name, c.Image)
	}
}

func TestChartFitsThePrograms(t *testing.T) {
	for name := range renderings {
		t.Run(name, func(t *testing.T) {
			all := manifests(t, chart+"testdata/"+name+".golden.yaml")
			ports := map[string]map[string]string{} // by component
			var agents, relays, fleets []string
			for _, m := range all {
				p := m.Spec.Template.Spec
				switch m.Kind {
				case "DaemonSet":
					c := p.Containers[0]
					args, env := begins(t, c, p, all)
					cfg := parseAgent(t, args, env)
					ports["agent"] = map[string]string{"grpc": port(t, cfg.GRPCAddr) + "/TCP", "http": port(t, cfg.HTTPAddr) + "/TCP",
						"admin": port(t, cfg.AdminAddr) + "/TCP"}
					files := []string{cfg.DataDir, cfg.Forward.CAFile, cfg.Forward.TokenFile}
					fleets = append(fleets, gossips(t, cfg.Fleet, ports["agent"], &files))
					checkContainer(t, c, p, ports["agent"], port(t, cfg.AdminAddr), files...)
					agents = cfg.Forward.Aggregators
					if grace := p.TerminationGracePeriodSeconds; float64(grace) < cfg.Forward.FlushTimeout.Seconds()+10 {
						t.Errorf("the agent flushes for %v, and is killed after %d s", cfg.Forward.FlushTimeout, grace)
					}
				case "Deployment":
					c := p.Containers[0]
					args, env := begins(t, c, p, all)
					cfg := parseAggregator(t, args, env)
					relay := port(t, cfg.RelayAddr)
					ports["aggregator"] = map[string]string{"relay": relay + "/TCP", "relay-udp": relay + "/UDP",
						"api": port(t, cfg.APIAddr) + "/TCP", "admin": port(t, cfg.AdminAddr) + "/TCP"}
					files := []string{cfg.Receive.CertFile, cfg.Receive.KeyFile, cfg.Receive.TokensFile}
					fleets = append(fleets, gossips(t, cfg.Fleet, ports["aggregator"], &files))
					checkContainer(t, c, p, ports["aggregator"], port(t, cfg.AdminAddr), files...)
					relays = append(relays, m.Metadata.Name+":"+relay)
				}
			}
			if len(fleets) != 2 || fleets[0] != fleets[1] {
				t.Errorf("agents and aggregators join %v", fleets)
			}
			ports["fleet"] = ports["agent"]
			for _, m := range all {
				part := m.Metadata.Labels["app.kubernetes.io/component"]
				if part == "fleet" && m.Metadata.Name != fleets[0] {
					t.Errorf("members join %s, the service is %s", fleets[0], m.Metadata.Name)
				}
				for _, p := range m.Spec.Ports {
					if m.Kind != "Service" {
						continue
					}
					protocol := p.Protocol
					if protocol == "" {
						protocol = "TCP"
					}
					if want := ports[part][p.TargetPort]; want != strconv.Itoa(p.Port)+"/"+protocol {
						t.Errorf("service %s: %d/%s goes to %s, which is %q", m.Metadata.Name, p.Port, protocol, p.TargetPort, want)
					}
				}
				for _, e := range m.Spec.Endpoints {
					if m.Kind == "ServiceMonitor" && ports[part][e.Port] == "" {
						t.Errorf("%s scrapes port %s, which nothing has", m.Metadata.Name, e.Port)
					}
				}
				if m.Kind == "NetworkPolicy" {
					let := policyPorts(m.Spec.Ingress)
					for name, p := range ports[part] {
						if !slices.Contains(let, p) {
							t.Errorf("%s keeps %s (%s) out", m.Metadata.Name, name, p)
						}
					}
				}
			}
			if name == "default" && !slices.Equal(agents, relays) {
				t.Errorf("agents relay to %v, aggregators are %v", agents, relays)
			}
		})
	}
}

// gossips adds what a member of a fleet listens on and reads, and returns the name that it joins through.
func gossips(t *testing.T, cfg fleet.Config, ports map[string]string, files *[]string) (join string) {
	t.Helper()
	if cfg.Addr == "" {
		return ""
	}
	if err := cfg.Validate(); err != nil {
		t.Errorf("the program would not start: %v", err)
	}
	// The pod's own address, which is what the others are told.
	host, gossip, err := net.SplitHostPort(cfg.Addr)
	if err != nil || host != "$(POD_IP)" {
		t.Errorf("gossip on %s: %v; want it on the pod's address", cfg.Addr, err)
	}
	ports["gossip"], ports["gossip-udp"] = gossip+"/TCP", gossip+"/UDP"
	*files = append(*files, cfg.KeyFile)
	return strings.Join(cfg.Join, ",")
}

// policyPorts are the ports in a NetworkPolicy's rules: "7720/UDP".
func policyPorts(rules any) (ports []string) {
	text, _ := yaml.Marshal(rules)
	var parsed []struct {
		Ports []struct {
			Port     int
			Protocol string
		}
	}
	_ = yaml.Unmarshal(text, &parsed)
	for _, rule := range parsed {
		for _, p := range rule.Ports {
			if p.Protocol == "" {
				p.Protocol = "TCP"
			}
			ports = append(ports, strconv.Itoa(p.Port)+"/"+p.Protocol)
		}
	}
	return ports
}

func TestSidecarExampleFitsTheAgent(t *testing.T) {
	all := manifests(t, chart+"examples/sidecar.yaml")
	p := all[0].Spec.Template.Spec
	c := p.InitContainers[0]
	args, env := begins(t, c, p, all)
	cfg := parseAgent(t, args, env)
	admin := port(t, cfg.AdminAddr)
	listens := map[string]string{"gosight-http": port(t, cfg.HTTPAddr) + "/TCP", "gosight-admin": admin + "/TCP"}
	checkContainer(t, c, p, listens, admin, cfg.DataDir, cfg.Forward.CAFile, cfg.Forward.TokenFile)
	if endpoint := p.Containers[0].Env[0].Value; endpoint != cfg.GRPCAddr {
		t.Errorf("the application sends to %s, the agent listens on %s", endpoint, cfg.GRPCAddr)
	}
	if grace := p.TerminationGracePeriodSeconds; float64(grace) < cfg.Forward.FlushTimeout.Seconds()+10 {
		t.Errorf("the agent flushes for %v, and is killed after %d s", cfg.Forward.FlushTimeout, grace)
	}
}
