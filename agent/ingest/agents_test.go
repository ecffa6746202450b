package ingest

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/fleet"
)

// testFleet is what the test agent knows of the fleet.
func testFleet() []fleet.Node {
	return []fleet.Node{
		{ID: "a1", Role: fleet.Agent, Region: "here"},
		{ID: "a2", Role: fleet.Agent, Region: "there", URL: "https://there.example.com", GRPC: "there.example.com:7710",
			Draining: true, Load: 30},
		{ID: "a3", Role: fleet.Agent, Region: "nobody was told where"},
		{ID: "centre", Role: fleet.Aggregator, Relay: "10.0.0.1:7720"},
	}
}

func TestAgentsAreListedForAnyPage(t *testing.T) {
	agent, _ := startHTTP(t)
	request, err := http.NewRequest(http.MethodGet, agent.URL+"/agents", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://shop.example.com")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"agents":[{"region":"here","draining":false,"load":0,"self":true},` +
		`{"region":"there","url":"https://there.example.com","grpc":"there.example.com:7710","draining":true,"load":30}]}`
	if string(text) != want {
		t.Errorf("answered %s\nwant     %s", text, want)
	}
	for header, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Content-Type": "application/json", "Cache-Control": "public, max-age=2",
	} {
		if got := response.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

func TestListOfAgentsIsMadeAtMostOnceInAWhile(t *testing.T) {
	made := 0
	list := &agentList{nodes: func() []fleet.Node { made++; return nil }}
	now := time.Unix(1000, 0)
	for range 100 {
		list.at(now)
	}
	if string(list.at(now.Add(agentsAge-1))) != `{"agents":[]}` || made != 1 {
		t.Errorf("made %d times", made)
	}
	if list.at(now.Add(agentsAge)); made != 2 {
		t.Errorf("made %d times after a while", made)
	}
}
