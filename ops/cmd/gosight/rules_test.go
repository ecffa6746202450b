package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/ops/standalone"
)

// click sends clicks on one place.
func click(t *testing.T, ready standalone.Ready, session string, clicks int) {
	t.Helper()
	var events []string
	for i := range clicks {
		events = append(events, fmt.Sprintf(`{"eventId":"%s-%d","eventType":"click","timestamp":"%d","payload":"{\"x\":5,\"y\":5,\"selector\":\"#pay\"}"}`,
			session, i, time.Now().UnixMilli()-int64(clicks-i)*50))
	}
	response, err := http.Post("http://"+ready.AgentHTTP+"/gosight.Ingestor/SendBatch", "application/json",
		strings.NewReader(fmt.Sprintf(`{"sessionId":%q,"events":[%s]}`, session, strings.Join(events, ","))))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); !strings.Contains(string(answer), fmt.Sprintf(`"accepted":"%d"`, clicks)) {
		t.Fatalf("clicks: %s %s", response.Status, answer)
	}
}

// TestUpFollowsItsRulesAndAlerts: numbers of the rules change without a restart, in agent and aggregator, and an alert
// rule posts what they find.
func TestUpFollowsItsRulesAndAlerts(t *testing.T) {
	posted := make(chan string, 100)
	webhook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Rule, Selector string }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Error(err)
		}
		posted <- message.Rule
	}))
	defer webhook.Close()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := file("rules.yaml", "projects: {default: {rage: {clicks: 4}}}\n")
	alerts := file("alerts.yaml", "rules:\n  - {name: pay, kind: rage_click, selector: '#pay', count: 1, window: 1m, webhook: "+webhook.URL+"}\n")
	p, ready := up(t, filepath.Join(dir, "data"), "--rules-file", rules, "--alert-rules", alerts)
	defer p.interrupt(t)

	const passes = "SELECT arrayStringConcat(arraySort(groupUniqArray(detected_by)), ' ') FROM gosight.signals WHERE session_id LIKE '%s%%'"
	click(t, ready, "before", 3)
	click(t, ready, "enough", 4)
	waitFor(t, ready, fmt.Sprintf(passes, "enough"), "centre edge")
	select {
	case rule := <-posted:
		if rule != "pay" {
			t.Errorf("an alert of %q", rule)
		}
	case <-time.After(30 * time.Second):
		t.Error("no alert was posted")
	}
	if got := ask(t, ready, fmt.Sprintf(passes, "before")); got != "" {
		t.Errorf("three clicks are a signal for %s", got)
	}

	file("rules.yaml", "projects: {default: {rage: {clicks: 3}}}\n")
	deadline := time.Now().Add(30 * time.Second)
	for visit := 0; ask(t, ready, fmt.Sprintf(passes, "after")) != "centre edge"; visit++ {
		if time.Now().After(deadline) {
			t.Fatal("the changed rules are not in force")
		}
		click(t, ready, fmt.Sprintf("after%d", visit), 3)
		time.Sleep(200 * time.Millisecond) // the next visit; what both passes have said is the condition
	}
}
