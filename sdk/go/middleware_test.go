package gosight

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func request(t *testing.T, handler http.Handler, target, session string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
	r.Header.Set(SessionHeader, session)
	r.Header.Set(PageHeader, "page-1")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestMiddlewareTiesARequestToItsVisit(t *testing.T) {
	agent := &ingestor{}
	client := start(t, agent, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := client.Track(r.Context(), "paid", nil); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusPaymentRequired)
		w.(http.Flusher).Flush()
	})
	handler := client.Middleware(mux)
	if w := request(t, handler, "/orders/7?card=4111111111111111", "visit-1"); w.Code != http.StatusPaymentRequired || !w.Flushed {
		t.Errorf("the visitor got %d", w.Code)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent.seen(func(i *ingestor) {
		types := map[string]*Event{}
		for key, ev := range i.stored {
			types[ev.EventType] = ev
			if !strings.HasPrefix(key, "visit-1/") || strings.Contains(ev.Payload, "4111") {
				t.Errorf("%s: %v", key, ev)
			}
		}
		var got requestDetails
		if err := json.Unmarshal([]byte(types["network"].GetPayload()), &got); err != nil {
			t.Fatal(err)
		}
		got.DurationMS = 0
		want := requestDetails{Method: "POST", URL: "/orders/7", Route: "/orders/{id}", Status: 402, Side: "server"}
		if got != want || types["custom"] == nil || types["network"].Metadata["page_id"] != "page-1" {
			t.Errorf("network is %+v, events %v", got, types)
		}
	})
}

func TestMiddlewareRecordsAPanicAndPassesItOn(t *testing.T) {
	agent := &ingestor{}
	client := start(t, agent, nil)
	handler := client.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no stock") }))
	func() {
		defer func() {
			if fault := recover(); fault != "no stock" {
				t.Errorf("net/http would see %v", fault)
			}
		}()
		request(t, handler, "/", "visit-1")
	}()
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent.seen(func(i *ingestor) {
		found := map[string]string{}
		for _, ev := range i.stored {
			found[ev.EventType] = ev.Payload
		}
		if !strings.Contains(found["error"], "no stock") || !strings.Contains(found["network"], `"status":500`) {
			t.Errorf("events %v", found)
		}
	})
}

func TestMiddlewareLeavesStrangersAlone(t *testing.T) {
	agent := &ingestor{}
	client := start(t, agent, nil)
	handler := client.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if session := Session(r.Context()); session != "" {
			t.Errorf("session %q", session)
		}
	}))
	for _, session := range []string{"", strings.Repeat("x", 129), "\xff\xfe"} {
		request(t, handler, "/", session)
	}
	if stats := client.Stats(); stats.Buffered != 0 {
		t.Errorf("stats %+v", stats)
	}
}
