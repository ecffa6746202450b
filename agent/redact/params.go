package redact

import (
	"net/url"
	"strings"
)

// longestParam is the longest name of a parameter that is looked at.
const longestParam = 64

// paramAt finds the value of a telling parameter whose name begins at text[i], behind ? & or #. encoded says that the
// URL stands as a value in another one, so that its own signs are written as %26 and the like.
func (s *Scrubber) paramAt(text string, i int, encoded bool) (start, end int, ok bool) {
	if strings.HasPrefix(text[i:], "amp;") { // as HTML writes it
		i += len("amp;")
	}
	for end = i; end < len(text) && end-i <= longestParam; end++ {
		switch c := text[end]; {
		case c == '=':
			return s.valueAt(text, text[i:end], end+1, encoded)
		case c == '%' || c == '\\':
			if sign, after := signAt(text, end); sign == '=' {
				return s.valueAt(text, text[i:end], after, encoded)
			} else if c == '\\' {
				return 0, 0, false
			}
		case c != '_' && c != '[' && c != ']' && c != '~' && !isDomain(c):
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// valueAt finds the end of the value at text[start] where the name is a telling one.
func (s *Scrubber) valueAt(text, name string, start int, encoded bool) (_, end int, ok bool) {
	if strings.Contains(name, "%") {
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
	}
	if !s.params[strings.ToLower(name)] {
		return 0, 0, false
	}
	for end = start; end < len(text); {
		c, after := text[end], end+1
		switch {
		case c == '\\' && end+1 < len(text) && text[end+1] != 'u':
			c, after = escaped(text[end+1]), end+2
		case c == '\\' || encoded && c == '%':
			c, after = signAt(text, end)
		}
		if c == ' ' || strings.IndexByte("&#\"'<>)`\t\r\n", c) >= 0 {
			break
		}
		end = after
	}
	return start, end, end > start && text[start:end] != maskParam
}

// escaped is what stands in JSON behind a backslash, white space as a blank.
func escaped(c byte) byte {
	if strings.IndexByte("bfnrt", c) >= 0 {
		return ' '
	}
	return c
}
