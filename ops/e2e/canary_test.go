package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/freeport"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// Where the client of the canaries is: its address must end at the agent.
const canaryAddress = "127.66.77.88"

// canaries is what must be nowhere: mail addresses (each place has one of its own before the at sign), cards, signed
// tokens, tokens in URLs and headers, and addresses.
var canaries = []string{
	"canary-", "planted.example", "4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "CanarySignature",
	"canaryOpaque", canaryAddress, "203.0.113.77", "198.51.100.23",
}

// Innocent words that stand beside them, and must be found.
const controlEvent, controlReplay = "innocentkumquat", "innocentquince"

const canaryToken = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.CanarySignature"

// planted are events with canaries wherever a client can put them.
func planted() []*gosight.Event {
	mail := func(place string) string { return "canary-" + place + "@planted.example" }
	var events []*gosight.Event
	plant := func(eventType, payload string) {
		events = append(events, &gosight.Event{EventType: eventType, Payload: payload, Metadata: map[string]string{
			"url":   "https://shop.example/?email=canary-own%40planted.example#access_token=canaryOpaqueOwn",
			"title": "Mail of " + mail("own"), mail("ownkey"): "1", "ip": "198.51.100.23",
			"user_agent": mail("ownagent") + "/1.0", "note": "4111 1111 1111 1111 " + canaryToken,
		}})
	}
	plant("custom", `{"name":"`+mail("name")+`","props":{"control":"`+controlEvent+`","mail":"`+mail("prop")+`","`+mail("propkey")+`":1,
		"card":"4111 1111 1111 1111","number":4111111111111111,"hyphens":"5500-0000-0000-0004","jwt":"`+canaryToken+`",
		"url":"https://shop.example/p?token=canaryOpaqueA&tab=1#access_token=canaryOpaqueB",
		"amp":"https://shop.example/p?tab=1&amp;sid=canaryOpaqueC\u0026pwd=canaryOpaqueD",
		"next":"https://shop.example/login?next=https%3A%2F%2Fshop.example%2F%3Ftoken%3DcanaryOpaqueE",
		"encoded":"to=canary-encoded%40planted.example","nested":"{\"mail\":\"`+mail("nested")+`\"}",
		"accent":"canary-jos\u00e9@planted.example canary-josé@planted.example canary-at\u0040planted.example"}}`)
	plant(mail("type"), `{}`)
	plant("page_load", `{"url":"https://shop.example/?email=canary-url%40planted.example&session=canaryOpaqueF","title":"`+mail("title")+
		`","referrer":"https://mail.example/?auth=canaryOpaqueG"}`)
	plant("navigate", `{"from":"/a?key=canaryOpaqueH","to":"/b?code=canaryOpaqueI","kind":"push"}`)
	plant("error", `{"message":"no account `+mail("error")+`","source":"https://shop.example/a.js?token=canaryOpaqueJ","stack":"at `+mail("stack")+`"}`)
	plant("identify", `{"traits":{"mail":"`+mail("trait")+`","card":"4111111111111111"}}`)
	for range 7 { // a rage click, whose signal has the text
		plant("click", `{"x":10,"y":10,"selector":"#`+mail("selector")+`","tag":"button","text":"`+mail("text")+`"}`)
	}
	plant("full_snapshot", `{"type":4,"data":{"href":"https://shop.example/?token=canaryOpaqueK","width":800,"height":600}}`)
	plant("full_snapshot", `{"type":2,"data":{"node":{"type":0,"childNodes":[{"type":3,"textContent":"`+controlReplay+` `+mail("replay")+
		` 4111 1111 1111 1111 `+canaryToken+`"},{"type":2,"tagName":"a","attributes":{"href":"/x?api_key=canaryOpaqueL","title":"`+mail("attribute")+`"}}]}}}`)
	plant("mutation", `{"type":3,"data":{"source":0,"texts":[{"id":3,"value":"`+mail("mutation")+`"}]}}`)
	plant("unfinished", `{"mail":"`+mail("refused")) // no JSON: it is refused
	for _, event := range events {
		event.Timestamp = time.Now().UnixMilli()
	}
	return events
}

// apart is GoSight as it runs on machines of its own: each role a process.
type apart struct {
	t                      *testing.T
	dir, clickhouse, kafka string
	agentGRPC, agentHTTP   string
	admin                  map[string]string // by program
}

func (a *apart) log(name string) string { return filepath.Join(a.dir, "logs", name+".log") }

// start runs a program until the test ends. Its files are in a folder of its own.
func (a *apart) start(name, program string, args ...string) {
	a.t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		a.t.Fatal(err)
	}
	log, err := os.Create(a.log(name))
	if err != nil {
		a.t.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(filepath.Join(bin, program), args...)
	command.Dir = a.dir
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		a.t.Fatalf("%v: run `make e2e`, which builds it first", err)
	}
	a.t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // it may have ended by itself
		_ = command.Wait()
		if text, err := os.ReadFile(a.log(name)); err == nil && a.t.Failed() {
			a.t.Logf("%s said:\n%s", name, tail(string(text), 2000))
		}
	})
}

// until waits for what comes about in its own time.
func (a *apart) until(what string, is func() bool) {
	a.t.Helper()
	for begun := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 90*time.Second {
			a.t.Fatalf("not within 90 s: %s", what)
		}
	}
}

func get(address string) string {
	answer, err := http.Get(address)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

func startApart(t *testing.T) *apart {
	t.Helper()
	ports, err := freeport.Addrs(12)
	if err != nil {
		t.Fatal(err)
	}
	take := func() string {
		port := ports[0]
		ports = ports[1:]
		return port
	}
	a := &apart{t: t, dir: t.TempDir(), kafka: take(), agentGRPC: take(), agentHTTP: take(), admin: map[string]string{}}
	clickhouse, relay := take(), take()
	a.clickhouse = "http://" + clickhouse
	library, err := filepath.Abs("../../node_modules/@chdb/lib-linux-x64-gnu/libchdb.so")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, ca, err := devcert.Ensure(filepath.Join(a.dir, "tls"), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"registry.yaml": "projects:\n- id: shop\n  privacy:\n    user_id_key: a key that only agents know\n", "logs/.": ""} {
		if err := os.MkdirAll(filepath.Join(a.dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.start("clickhouse", "gosight", "engine", "clickhouse", "--path", "clickhouse", "--library", library, "--listen", clickhouse)
	a.start("kafka", "gosight", "engine", "kafka", "--path", "kafka", "--listen", a.kafka)
	for _, role := range []string{"receive", "process", "api"} {
		a.admin[role] = take()
		a.start(role, "gosight-aggregator", "--roles", role, "--data-dir", role, "--relay-addr", relay, "--api-addr", take(),
			"--admin-addr", a.admin[role], "--kafka-brokers", a.kafka, "--kafka-partitions", "2", "--clickhouse-url", a.clickhouse,
			"--registry-file", "registry.yaml", "--registry-keys", "k=shop", "--receive-tokens", "edge=secret-of-edge",
			"--receive-cert-file", cert, "--receive-key-file", key, "--log-level", "debug")
	}
	a.admin["agent"] = take()
	a.start("agent", "gosight-agent", "--data-dir", "agent", "--grpc-addr", a.agentGRPC, "--http-addr", a.agentHTTP,
		"--admin-addr", a.admin["agent"], "--keys", "k=shop", "--forward-ca-file", ca, "--forward-token", "secret-of-edge",
		"--forward-aggregators", relay, "--log-level", "debug")
	for name, admin := range a.admin {
		a.until(name+" is ready", func() bool { return get("http://"+admin+"/readyz") == "ok\n" })
	}
	return a
}

func (a *apart) query(sql string) string {
	a.t.Helper()
	answer, err := http.Post(a.clickhouse+"/?database=gosight", "text/plain", strings.NewReader(sql))
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		a.t.Fatalf("%s\n%s %v", sql, text, err)
	}
	return strings.TrimSpace(string(text))
}

// from dials as the client with the address that must stay at the agent.
func from(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(canaryAddress)}}
	return dialer.DialContext(ctx, "tcp", address)
}

// overHTTP posts a body to the agent as a browser might, with canaries in its headers.
func (a *apart) overHTTP(query string, body []byte) (int, string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, "http://"+a.agentHTTP+"/gosight.Ingestor/SendBatch"+query, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Gosight-Key": "k", "User-Agent": "canary-agent@planted.example/1.0 (" + canaryAddress + ")",
		"X-Forwarded-For": "203.0.113.77", "X-Real-Ip": "203.0.113.77", "Forwarded": "for=203.0.113.77", "Cookie": "sid=canaryOpaqueCookie",
		"Authorization": "Bearer canaryOpaqueBearer", "Referer": "https://shop.example/?token=canaryOpaqueReferer", "From": "canary-from@planted.example",
	} {
		r.Header.Set(name, value)
	}
	if strings.HasPrefix(query, "?key=") {
		r.Header.Del("X-Gosight-Key")
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return from(ctx, address) }}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// Personal data stops at the edge: whatever a client plants and wherever, nothing of it is past the agent.
func TestCanariesAreNowherePastTheAgent(t *testing.T) {
	a := startApart(t)
	conn, err := grpc.NewClient(a.agentGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(from),
		grpc.WithUserAgent("canary-grpc@planted.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ingest := gosight.NewIngestorClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", "k", "x-forwarded-for", "203.0.113.77", "cookie", "canaryOpaqueCookie")
	batch := func(session string, events ...*gosight.Event) *gosight.EventBatch {
		return &gosight.EventBatch{SessionId: session, UserId: "canary-user@planted.example", SentAt: time.Now().UnixMilli(), Events: events,
			Metadata: map[string]string{
				"url": "https://shop.example/?token=canaryOpaqueM&mail=canary-batch%40planted.example", "referrer": "https://mail.example/#id_token=canaryOpaqueN",
				"title": "canary-batch@planted.example", "canary-key@planted.example": "4111111111111111", "ip": "198.51.100.23"}}
	}
	a.until("the agent has the project's rules", func() bool {
		probe := batch("probe", &gosight.Event{EventType: "custom", Payload: `{"name":"probe"}`, Timestamp: time.Now().UnixMilli()})
		probe.UserId, probe.Metadata = "somebody", nil
		if _, err := ingest.SendBatch(ctx, probe); err != nil {
			t.Fatal(err)
		}
		return a.query("SELECT count() > 0 FROM events WHERE user_id LIKE 'u_%'") == "1"
	})

	status, err := ingest.SendBatch(ctx, batch("over-grpc", planted()...))
	if err != nil || status.Rejected != 1 || status.Reasons["invalid_json"] != 1 {
		t.Fatalf("over gRPC the agent says %v, %v", status, err)
	}
	stream, err := ingest.SendEvents(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range planted() {
		event.SessionId, event.UserId = "over-stream", "canary-user@planted.example"
		if err := stream.Send(event); err != nil {
			t.Fatal(err)
		}
	}
	if status, err := stream.CloseAndRecv(); err != nil || status.Rejected != 1 {
		t.Fatalf("over a stream the agent says %v, %v", status, err)
	}
	body, err := protojson.Marshal(batch("over-http", planted()...))
	if err != nil {
		t.Fatal(err)
	}
	if code, text := a.overHTTP("?utm=canaryOpaqueQuery", body); code != http.StatusOK {
		t.Fatalf("over HTTP the agent says %d %s", code, text)
	}
	// What is refused as a whole is spoken of in logs.
	for query, body := range map[string][]byte{"": body[:len(body)/2], "?key=canaryOpaqueKey": body, "/canary-path@planted.example": nil} {
		if code, _ := a.overHTTP(query, body); code == http.StatusOK {
			t.Errorf("%q was taken", query)
		}
	}

	sent := len(planted()) - 1
	a.until("all of it is stored", func() bool {
		return a.query("SELECT count() FROM events FINAL WHERE session_id LIKE 'over-%'") == fmt.Sprint(3*sent) &&
			a.query("SELECT uniqExact(session_id) FROM signals FINAL WHERE kind = 'rage_click'") == "3"
	})
	looked := append([]string{controlEvent, controlReplay, "secret-of-edge"}, canaries...)
	tables, topics := inTables(t, a.clickhouse, looked...), inTopics(t, a.kafka, looked...)
	for _, control := range []struct {
		places      []string
		text, place string
	}{
		{tables[controlEvent], controlEvent, "events"}, {tables[controlReplay], controlReplay, "replay"},
		{topics[controlEvent], controlEvent, "gosight.events"}, {topics[controlReplay], controlReplay, "gosight.replay"},
	} {
		if !slices.Contains(control.places, control.place) {
			t.Errorf("the search is blind: %s is not in %s but in %v", control.text, control.place, control.places)
		}
	}
	for name, admin := range a.admin {
		text := get("http://" + admin + "/metrics")
		if !strings.Contains(text, "go_goroutines") {
			t.Errorf("no metrics of %s", name)
		}
		if err := os.WriteFile(a.log(name+"-metrics"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The queue is behind the scrubbing: the agent's own files have nothing of it either.
	files := inFiles(t, a.dir, looked...)
	if len(files[controlEvent]) == 0 {
		t.Errorf("the search of files is blind: %v", files)
	}
	t.Logf("controls: %v %v %v", tables[controlEvent], topics[controlEvent], files[controlEvent])
	for _, text := range canaries {
		if places := slices.Concat(tables[text], topics[text], files[text]); len(places) > 0 {
			t.Errorf("%s is in %v", text, places)
		}
	}
	if t.Failed() {
		t.Log(a.query("SELECT * FROM events WHERE toString(tuple(*)) LIKE '%canary%' OR toString(tuple(*)) LIKE '%planted.example%' LIMIT 40 FORMAT Vertical"))
	}
}
