// Package redact takes personal data out of what leaves the region: mail addresses, payment card numbers and
// signed tokens in payloads, URLs and metadata, wherever in the text they stand, the values of telling parameters of
// URLs that stand there, and whatever else a project's own rules name.
//
// It works on JSON text without parsing it: one pass over the bytes finds the few places worth a closer look, and
// what it puts in their place contains nothing that JSON would escape.
package redact

import (
	"slices"
	"strings"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/registry"
)

// What stands where something was taken out.
const (
	maskMail = "[mail]"
	maskCard = "[card]"
	// A card's number may stand in JSON as a number, where only a number can take its place.
	maskNumber = "0"
	maskToken  = "[token]"
	maskParam  = "[cut]"
	maskPhone  = "[phone]"
	maskID     = "[id]"
	maskOwn    = "[masked]" // what a project's own pattern or path found
)

// Config says what is taken out.
type Config struct {
	Mail  bool `help:"Take out mail addresses." default:"true" negatable:""`
	Card  bool `help:"Take out payment card numbers (15 or 16 digits that pass the Luhn check)." default:"true" negatable:""`
	Phone bool `help:"Take out phone numbers in international form (+84 …)."`
	// US social security numbers and Vietnamese citizen identity numbers; patterns of a project find others.
	NationalID bool     `name:"national-id" help:"Take out national identity numbers."`
	Token      bool     `help:"Take out JSON web tokens." default:"true" negatable:""`
	Params     []string `help:"Query parameters whose values are cut, by name, case ignored." default:"token,access_token,id_token,refresh_token,key,api_key,apikey,secret,password,passwd,pwd,auth,code,session,sessionid,sid,email,mail,phone"`
}

// Default takes out all that it can find.
func Default() Config { return config.Default[Config]() }

// Scrubber is safe for many goroutines.
type Scrubber struct {
	cfg    Config
	params map[string]bool
	own    ownRules
	// worthALook has the bytes at which something personal may be found; all others are skipped at memory speed.
	worthALook [256]bool
}

// New returns a Scrubber of cfg's rules and a project's own. The project's patterns are valid: the registry has
// seen to that.
func New(cfg Config, project registry.Privacy) *Scrubber {
	cfg.Phone = cfg.Phone || project.Phones
	cfg.NationalID = cfg.NationalID || project.NationalIDs
	s := &Scrubber{cfg: cfg, params: make(map[string]bool, len(cfg.Params)), own: newOwnRules(project)}
	for _, name := range slices.Concat(cfg.Params, project.Params) {
		s.params[strings.ToLower(name)] = true
	}
	look := `0123456789@%J\?&#`
	if cfg.Phone {
		look += "+"
	}
	for _, c := range []byte(look) {
		s.worthALook[c] = true
	}
	return s
}

// Payload is Text for an event's payload, in which a project's own paths and patterns are masked too.
func (s *Scrubber) Payload(json string) (string, int) {
	own, found := s.own.payload(json)
	text, more := s.common(own)
	return text, found + more
}

// Text returns text without personal data, and how many places were masked; text itself, uncopied, where nothing
// was found.
func (s *Scrubber) Text(text string) (string, int) {
	own, found := s.own.text(text)
	text, more := s.common(own)
	return text, found + more
}

func (s *Scrubber) common(text string) (string, int) {
	var out strings.Builder
	copied, found := 0, 0
	for i := 0; i < len(text); {
		if !s.worthALook[text[i]] {
			i++
			continue
		}
		start, end, with := s.at(text, i)
		if with != "" && start >= copied {
			out.WriteString(text[copied:start])
			out.WriteString(with)
			copied = end
			found++
		}
		i = end
	}
	if found == 0 {
		return text, 0
	}
	out.WriteString(text[copied:])
	return out.String(), found
}

// at looks at text[i], which is worth it. It returns what to mask and with what, or "" and where to look on.
func (s *Scrubber) at(text string, i int) (start, end int, with string) {
	switch c := text[i]; {
	case c == '@' && s.cfg.Mail:
		if start, end, ok := mailAt(text, i, i+1); ok {
			return start, end, maskMail
		}
	case c == '%' || c == '\\' || c == '?' || c == '&' || c == '#':
		sign, after := signAt(text, i)
		switch {
		case sign == '@' && s.cfg.Mail:
			if start, end, ok := mailAt(text, i, after); ok {
				return start, end, maskMail
			}
		case sign == '?' || sign == '&' || sign == '#':
			if start, end, ok := s.paramAt(text, after, c == '%'); ok {
				return start, end, maskParam
			}
		}
		return i, max(after, i+1), ""
	case c == 'J' && s.cfg.Token && i >= 2 && text[i-2:i] == "ey": // base64 of {"
		if end, ok := tokenAt(text, i-2); ok {
			return i - 2, end, maskToken
		}
	case isDigit(c):
		start, end, ok := cardAt(text, i)
		switch {
		case !ok || !s.cfg.Card:
		case mayBeNumber(text, start, end):
			return start, end, maskNumber
		default:
			return start, end, maskCard
		}
		if s.cfg.NationalID && isNationalID(text, i, end) {
			return i, end, maskID
		}
		return i, end, ""
	case c == '+' && s.cfg.Phone:
		if end, ok := phoneAt(text, i); ok {
			return i, end, maskPhone
		}
	}
	return i, i + 1, ""
}
