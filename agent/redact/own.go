package redact

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/gosight/gosight/internal/registry"
)

// ownRules are what a project takes out beyond what the agent does. They cost what regular expressions cost, and
// nothing where there are none.
type ownRules struct {
	patterns []*regexp.Regexp
	paths    []string
}

func newOwnRules(project registry.Privacy) ownRules {
	own := ownRules{paths: project.JSONPaths}
	for _, pattern := range project.Patterns {
		if expression, err := regexp.Compile(pattern); err == nil {
			own.patterns = append(own.patterns, expression)
		}
	}
	return own
}

// text masks what the patterns match.
func (o *ownRules) text(text string) (string, int) {
	found := 0
	for _, pattern := range o.patterns {
		text = pattern.ReplaceAllStringFunc(text, func(match string) string {
			if match == "" {
				return ""
			}
			found++
			return maskOwn
		})
	}
	return text, found
}

// payload masks the values at the paths, and in all strings and numbers what the patterns match. Valid JSON stays
// valid: a match that cuts an escape in two takes its whole string with it.
func (o *ownRules) payload(json string) (string, int) {
	json, found := o.maskPaths(json)
	if len(o.patterns) == 0 {
		return json, found
	}
	var out strings.Builder
	copied := 0
	put := func(start, end int, with string) {
		out.WriteString(json[copied:start])
		out.WriteString(with)
		copied = end
		found++
	}
	for i := 0; i < len(json); {
		end := tokenEnd(json, i)
		token := json[i:end]
		switch {
		case token[0] == '"' && len(token) >= 2:
			if masked, n := o.text(token[1 : len(token)-1]); n > 0 {
				if masked = `"` + masked + `"`; !gjson.Valid(masked) {
					masked = `"` + maskOwn + `"`
				}
				put(i, end, masked)
			}
		case token[0] == '-' || isDigit(token[0]):
			if _, n := o.text(token); n > 0 {
				put(i, end, maskNumber)
			}
		}
		i = end
	}
	if copied == 0 {
		return json, found
	}
	out.WriteString(json[copied:])
	return out.String(), found
}

// tokenEnd is behind the JSON string or number at start, or behind the one byte that is neither.
func tokenEnd(json string, start int) int {
	end := start + 1
	switch c := json[start]; {
	case c == '"':
		for ; end < len(json); end++ {
			if json[end] == '\\' {
				end++
			} else if json[end] == '"' {
				return end + 1
			}
		}
		return len(json)
	case c == '-' || isDigit(c):
		for end < len(json) && strings.IndexByte("0123456789+-.eE", json[end]) >= 0 {
			end++
		}
	}
	return end
}

func (o *ownRules) maskPaths(json string) (string, int) {
	found := 0
	for _, path := range o.paths {
		result := gjson.Get(json, path)
		if !result.Exists() {
			continue
		}
		places, values := []int{result.Index}, []gjson.Result{result}
		if len(result.Indexes) > 0 { // items.#.name
			places, values = result.Indexes, result.Array()
		}
		// From the last to the first, so that the places stay where they are.
		for i, at := range slices.Backward(places) {
			if i >= len(values) || at <= 0 || !strings.HasPrefix(json[at:], values[i].Raw) {
				continue
			}
			json = json[:at] + `"` + maskOwn + `"` + json[at+len(values[i].Raw):]
			found++
		}
	}
	return json, found
}
