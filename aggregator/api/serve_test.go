package api

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/registry"
)

// TestServe is the server that the UI's browser tests and screenshots look at: the real API and UI over a real
// engine with seeded visits. It runs while its standard input stays open. POST /visit?id=…&step=… adds to a live
// visit, so that the browser can watch one arrive; the step "long" adds one of two hours that is over. POST /replay?id=…
// adds a visit that is the rrweb events in the body. The project "mounted" comes from a registry file.
func TestServe(t *testing.T) {
	ready := os.Getenv("GOSIGHT_UI_READY_FILE")
	if ready == "" {
		t.Skip("only where GOSIGHT_UI_READY_FILE says where to write the address")
	}
	visits, err := strconv.Atoi(os.Getenv("GOSIGHT_UI_VISITS"))
	if err != nil {
		visits = 150
	}
	st := openStore(t)
	seeds := newSeeder(t)
	seeds.seed(t.Context(), st, visits, time.Now().Add(-4*time.Minute), 17*time.Minute)
	mounted := "projects: [{id: mounted, name: From the file}]\nkeys: [{id: of-the-file, name: Pages, project: mounted, sum: " +
		string(registry.SumOf("gs_mounted")) + "}]\n"
	server := serveWith(t, st, keeperWith(t, st, mounted), func(c *Config) {
		c.LivePoll, c.AdminToken = 200*time.Millisecond, adminToken
	})

	control := http.NewServeMux()
	control.HandleFunc("POST /visit", func(w http.ResponseWriter, r *http.Request) {
		seeds := newSeeder(t)
		if r.FormValue("step") == "long" {
			if err := seeds.long(r.Context(), st, r.FormValue("id")); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		seeds.live(r.Context(), st, r.FormValue("id"), r.FormValue("step"))
	})
	control.HandleFunc("POST /replay", func(w http.ResponseWriter, r *http.Request) {
		var events []json.RawMessage
		err := json.NewDecoder(r.Body).Decode(&events)
		if err == nil {
			err = newSeeder(t).whole(r.Context(), st, r.FormValue("id"), events)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	controls := &http.Server{Handler: control}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go controls.Serve(listener)
	defer controls.Close()

	named := map[string]bool{}
	for _, s := range seeds.truth.sessions {
		named[s.UserID] = true
	}
	delete(named, "")
	users := len(named)
	note, err := json.Marshal(map[string]any{
		"ui": server.URL, "admin_token": adminToken, "control": "http://" + listener.Addr().String(), "sessions": len(seeds.truth.sessions),
		"recorded": (visits + 2) / 3, "clicks_on": seeds.truth.clicksOn, "by_kind": seeds.truth.byKind, "by_page": seeds.truth.byPage, "users": users,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ready+".part", note, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(ready+".part", ready); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // the end of it, however it comes, is the end
	}()
	<-ctx.Done()
}
