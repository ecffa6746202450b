package detect

import (
	"encoding/json"
	"strconv"
	"strings"
)

// fields reads the fields of a JSON object, each where it lies: of most payloads it is the only reader, and costs
// most of what detection costs. It does not check what it passes over, since ingest has; where it finds no object or
// no field, it stops. Nothing is allocated but for strings with escapes.
type fields struct {
	rest string // from the comma or the brace before the next field
	key  string
	v    value
}

func fieldsOf(payload string) fields {
	rest := skipSpace(payload)
	if rest == "" || rest[0] != '{' {
		return fields{}
	}
	return fields{rest: rest}
}

// next reads the next field into key and v; it reports false at the end.
func (f *fields) next() bool {
	s := f.rest
	f.rest = ""
	if s == "" {
		return false
	}
	s = skipSpace(s[1:])
	n := keyEnd(s)
	if n < 0 {
		return false
	}
	f.key, s = s[1:n-1], skipSpace(s[n:])
	if s == "" || s[0] != ':' {
		return false
	}
	s = skipSpace(s[1:])
	if n = valueEnd(s); n <= 0 {
		return false
	}
	f.v, s = value(s[:n]), skipSpace(s[n:])
	if s != "" && s[0] == ',' {
		f.rest = s
	}
	return true
}

// field finds one of them, "" where there is none.
func field(payload, name string) value {
	for f := fieldsOf(payload); f.next(); {
		if f.key == name {
			return f.v
		}
	}
	return ""
}

func skipSpace(s string) string {
	if s == "" || s[0] > ' ' {
		return s
	}
	return strings.TrimLeft(s, " \n\t\r")
}

// keyEnd is stringEnd for names, which are short and have no escapes.
func keyEnd(s string) int {
	for i := 1; i < len(s); i++ {
		if c := s[i]; c == '"' && s[0] == '"' {
			return i + 1
		} else if c == '\\' {
			break
		}
	}
	return stringEnd(s)
}

// stringEnd is where the string that s begins with ends, its quotes included; -1 where it does not, or is none.
func stringEnd(s string) int {
	if s == "" || s[0] != '"' {
		return -1
	}
	for i := 1; ; {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		escapes := i - 2
		for s[escapes] == '\\' {
			escapes--
		}
		if (i-escapes)%2 == 0 {
			return i
		}
	}
}

// valueEnd is where the value that s begins with ends; 0 or less where there is none.
func valueEnd(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case '"':
		return stringEnd(s)
	case '{', '[':
		return nestedEnd(s)
	}
	for i := range len(s) {
		if c := s[i]; c <= ',' && (c <= ' ' || c == ',') || c == '}' {
			return i
		}
	}
	return len(s)
}

// nestedEnd is where the object or list that s begins with ends; -1 where it does not.
func nestedEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			n := stringEnd(s[i:])
			if n < 0 {
				return n
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// value is a JSON value as it is written; "" where there is none.
type value string

func (v value) isNumber() bool { return v != "" && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') }

// text is what a string holds; of other values, how they are written, and of none and of null nothing.
func (v value) text() string {
	switch {
	case v == "" || v == "null":
		return ""
	case v[0] != '"':
		return string(v)
	}
	inside := string(v[1 : len(v)-1])
	if strings.IndexByte(inside, '\\') < 0 {
		return inside
	}
	var own string
	if json.Unmarshal([]byte(v), &own) != nil {
		return ""
	}
	return own
}

// number is 0 where v is none.
func (v value) number() float64 {
	if !v.isNumber() {
		return 0
	}
	if n, end, ok := integer(string(v), 0); ok && end == len(v) {
		return float64(n)
	}
	f, _ := strconv.ParseFloat(string(v), 64) // ±Inf where it is out of range
	return f
}

// integer reads a number without fraction, of at most 15 digits, from i on; end is what follows it.
func integer(s string, i int) (n int64, end int, ok bool) {
	negative := i < len(s) && s[i] == '-'
	if negative {
		i++
	}
	begin := i
	for ; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			break
		}
		n = n*10 + int64(d)
	}
	if negative {
		n = -n
	}
	return n, i, i > begin && i-begin < 16
}

// truth is that of a site's own fields: true, "true", or a number that is not 0.
func (v value) truth() bool { return v == "true" || v == `"true"` || v.number() != 0 }

// holds says whether it is anything: no empty string, list or object, not 0, null or false.
func (v value) holds() bool {
	switch {
	case v == "" || v == "null" || v == "false" || v == `""`:
		return false
	case v[0] == '[' || v[0] == '{':
		return len(skipSpace(string(v[1:]))) > 1
	}
	return !v.isNumber() || v.number() != 0
}
