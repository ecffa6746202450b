package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gosight/gosight/internal/detect"
)

// trace is a file of traces/: one visit, recorded in a browser.
type trace struct {
	Family string         `json:"family"`
	About  string         `json:"about"`
	Want   map[string]int `json:"want"`
	Events []struct {
		ID      string          `json:"event_id"`
		Type    string          `json:"event_type"`
		TS      int64           `json:"timestamp"`
		URL     string          `json:"url"`
		PageID  string          `json:"page_id"`
		Payload json.RawMessage `json:"payload"`
	} `json:"events"`
}

// loadTraces reads every *.json of a folder, by name; none is fine.
func loadTraces(dir string) ([]visit, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list traces: %w", err)
	}
	var visits []visit
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read trace: %w", err)
		}
		v, err := parseTrace(file, text)
		if err != nil {
			return nil, err
		}
		visits = append(visits, v)
	}
	return visits, nil
}

func parseTrace(name string, text []byte) (visit, error) {
	var t trace
	if err := json.Unmarshal(text, &t); err != nil {
		return visit{}, fmt.Errorf("read trace %s: %w", name, err)
	}
	if t.Family == "" || len(t.Events) == 0 {
		return visit{}, fmt.Errorf("read trace %s: family and events are required", name)
	}
	v := visit{family: "recorded: " + t.Family, name: filepath.Base(name), want: t.Want}
	for _, e := range t.Events {
		payload := string(e.Payload)
		var quoted string
		if json.Unmarshal(e.Payload, &quoted) == nil {
			payload = quoted
		}
		v.events = append(v.events, detect.Event{ID: e.ID, Type: e.Type, TS: e.TS, URL: e.URL, PageID: e.PageID, Payload: payload})
	}
	return v, nil
}
