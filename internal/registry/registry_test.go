package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOrigins(t *testing.T) {
	p := Project{ID: "shop", AllowedOrigins: []string{"https://shop.example", "https://*.cdn.example", "http://localhost:3000"}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"": true, "https://shop.example": true, "http://shop.example": false, "https://shop.example.evil": false,
		"https://a.cdn.example": true, "https://cdn.example": false, "https://.cdn.example": false,
		"https://evil.example/.cdn.example": true, // browsers send no path, and a client that lies needs no browser
		"http://localhost:3000":             true, "http://localhost": false, "null": false,
	} {
		if got := p.AllowsOrigin(origin); got != want {
			t.Errorf("%q allowed: %v", origin, got)
		}
	}
}

func TestRolesIncludeThoseBelow(t *testing.T) {
	for _, tc := range []struct {
		have, need Role
		want       bool
	}{{Admin, Viewer, true}, {Admin, Admin, true}, {Analyst, Admin, false}, {Viewer, Analyst, false}, {"", Viewer, false}, {"root", Viewer, false}} {
		if got := tc.have.Includes(tc.need); got != tc.want {
			t.Errorf("%q may do what %q may: %v", tc.have, tc.need, got)
		}
	}
}

func TestSnapshotTellsAgentsWhatTheyNeedAndNoMore(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s := State{
		Projects: []Project{{ID: "b"}, {ID: "a"}},
		Keys:     []Key{{ID: "k", Project: "a", Sum: SumOf("gs_1")}},
		Tokens:   []Token{{ID: "t", Project: "a", Role: Admin, Sum: SumOf("gst_1")}},
		Erasures: []Erasure{
			{ID: "1", Project: "a", User: "linh", Tombstones: []Tombstone{UserTombstone("a", "linh")}, Until: 2_000_000},
			{ID: "2", Project: "a", User: "old", Tombstones: []Tombstone{UserTombstone("a", "old")}, Until: 1_000_000},
		},
	}
	s.Sort()
	version, document, err := s.Snapshot(now).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(document); strings.Contains(text, "linh") || strings.Contains(text, string(SumOf("gst_1"))) {
		t.Errorf("an agent is told too much: %s", text)
	}
	decoded, err := DecodeSnapshot(document)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, _ := decoded.Encode(); again != version {
		t.Error("equal content has another version")
	}
	x := NewIndex(decoded)
	if key, ok := x.Key("gs_1"); !ok || key.Project != "a" {
		t.Errorf("key %+v", key)
	}
	for _, tc := range []struct {
		project, user, session string
		at                     int64
		want                   bool
	}{
		{"a", "linh", "s", 1_000_000, true}, {"a", "linh", "s", 2_000_000, false}, {"b", "linh", "s", 1_000_000, false},
		{"a", "", "linh", 1_000_000, false}, {"a", "old", "s", 1_000_000, false},
	} {
		if got := x.Erased(tc.project, tc.user, tc.session, time.UnixMilli(tc.at)); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

func TestFileSaysWhatIsWrongWithIt(t *testing.T) {
	sum := string(SumOf("x"))
	for text, says := range map[string]string{
		"projects: [{id: shop, allowed_origins: ['https://shop.example']}]\nkeys: [{project: shop, sum: " + sum + "}]\n" +
			"tokens: [{project: '*', role: admin, sum: " + sum + "}]\nagents: [{id: eu, sum: " + sum + "}]": "",
		"project: []":                     "project",
		"projects: [{id: 'a b'}]":         "letters, digits",
		"keys: [{project: shop, sum: x}]": "64 hexadecimal",
		"tokens: [{project: shop, role: boss, sum: " + sum + "}]":       "viewer, analyst, admin",
		"projects: [{id: a, privacy: {patterns: ['[']}}]":               "pattern",
		"projects: [{id: a, privacy: {patterns: ['x*']}}]":              "everywhere",
		"projects: [{id: a, privacy: {excluded_countries: [germany]}}]": "two capital letters",
		"projects: [{id: a, allowed_origins: ['shop.example']}]":        "scheme://host",
	} {
		path := filepath.Join(t.TempDir(), "registry.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := LoadFile(path)
		switch {
		case says == "" && (err != nil || s.Keys[0].ID != sum[:12]):
			t.Errorf("%s: %v, %+v", text, err, s)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: %v does not name %q", text, err, says)
		}
	}
}

// Whatever comes from a peer or a damaged disk is refused or usable.
func FuzzDecodeSnapshot(f *testing.F) {
	_, document, _ := (&Snapshot{
		Projects: []Project{{ID: "a", Privacy: Privacy{Patterns: []string{`\d{9}`}}}},
		Keys:     []Key{{ID: "k", Project: "a", Sum: SumOf("x")}},
		Erased:   []Erased{{Mark: UserTombstone("a", "u"), Until: 9}},
	}).Encode()
	f.Add(document)
	f.Add([]byte(`{"projects":[{"id":"a","allowed_origins":["https://*.x"]}],"keys":[{}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		s, err := DecodeSnapshot(document)
		if err != nil {
			return
		}
		x := NewIndex(s)
		x.Key("x")
		x.Erased("a", "u", "s", time.UnixMilli(1))
		for _, project := range x.Projects() {
			project.AllowsOrigin("https://a.x")
		}
		if _, again, err := s.Encode(); err != nil || len(again) == 0 {
			t.Fatalf("cannot be encoded again: %v", err)
		}
	})
}
