// Package redact takes personal data out of what leaves the region: mail addresses, payment card numbers and
// signed tokens in payloads and URLs, wherever in the text they stand, and the values of telling query parameters.
//
// It works on JSON text without parsing it: one pass over the bytes finds the few places worth a closer look, and
// what it puts in their place contains nothing that JSON would escape.
package redact

import (
	"net/url"
	"strings"

	"github.com/gosight/gosight/internal/config"
)

// What stands where something was taken out.
const (
	maskMail  = "[mail]"
	maskCard  = "[card]"
	maskToken = "[token]"
	maskParam = "[cut]"
)

// Config says what is taken out.
type Config struct {
	Mail   bool     `help:"Take out mail addresses." default:"true" negatable:""`
	Card   bool     `help:"Take out payment card numbers (15 or 16 digits that pass the Luhn check)." default:"true" negatable:""`
	Token  bool     `help:"Take out JSON web tokens." default:"true" negatable:""`
	Params []string `help:"Query parameters whose values are cut, by name, case ignored." default:"token,access_token,id_token,refresh_token,key,api_key,apikey,secret,password,passwd,pwd,auth,code,session,sessionid,sid,email,mail,phone"`
}

// Default takes out all that it can find.
func Default() Config { return config.Default[Config]() }

// Scrubber is safe for many goroutines.
type Scrubber struct {
	cfg    Config
	params map[string]bool
}

// New returns a Scrubber of cfg's rules.
func New(cfg Config) *Scrubber {
	s := &Scrubber{cfg: cfg, params: make(map[string]bool, len(cfg.Params))}
	for _, name := range cfg.Params {
		s.params[strings.ToLower(name)] = true
	}
	return s
}

// Text returns text without personal data, and how many places were masked; text itself, uncopied, where nothing
// was found. Text may be JSON, and then stays valid JSON of the same shape.
func (s *Scrubber) Text(text string) (string, int) {
	var out strings.Builder
	copied, found := 0, 0
	mask := func(start, end int, with string) {
		out.WriteString(text[copied:start])
		out.WriteString(with)
		copied = end
		found++
	}
	digits := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
			if digits == 15 && s.cfg.Card {
				if start, end, ok := cardAt(text, i); ok && start >= copied {
					mask(start, end, maskCard)
					i, digits = end-1, 0
				}
			}
			continue
		case c == ' ' || c == '-': // separators within a card number
			continue
		case c == '@' && s.cfg.Mail:
			if start, end, ok := mailAt(text, i, i+1); ok && start >= copied {
				mask(start, end, maskMail)
				i = end - 1
			}
		case c == '%' && s.cfg.Mail && strings.HasPrefix(text[i:], "%40"):
			if start, end, ok := mailAt(text, i, i+3); ok && start >= copied {
				mask(start, end, maskMail)
				i = end - 1
			}
		case c == 'e' && s.cfg.Token && strings.HasPrefix(text[i:], "eyJ"):
			if end, ok := tokenAt(text, i); ok {
				mask(i, end, maskToken)
				i = end - 1
			}
		}
		digits = 0
	}
	if found == 0 {
		return text, 0
	}
	out.WriteString(text[copied:])
	return out.String(), found
}

// URL returns a URL whose telling query values are cut, and then scrubbed as text.
func (s *Scrubber) URL(raw string) (string, int) {
	found := 0
	if at := strings.IndexByte(raw, '?'); at >= 0 {
		query, fragment, hasFragment := strings.Cut(raw[at+1:], "#")
		pairs := strings.Split(query, "&")
		for i, pair := range pairs {
			name, value, _ := strings.Cut(pair, "=")
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
			if value != "" && s.params[strings.ToLower(name)] {
				pairs[i] = url.QueryEscape(name) + "=" + maskParam
				found++
			}
		}
		if found > 0 {
			raw = raw[:at+1] + strings.Join(pairs, "&")
			if hasFragment {
				raw += "#" + fragment
			}
		}
	}
	raw, more := s.Text(raw)
	return raw, found + more
}
