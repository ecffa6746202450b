package chserver

import (
	"bytes"
	"strings"
)

// statement is what the server has to know of a query's text before the engine runs it.
type statement struct {
	// sql is the text for the engine. For an insert with data it ends before FORMAT or VALUES.
	sql string
	// format is the name in the FORMAT clause, "" if there is none.
	format string
	// insert says that data in that format follows the text, inline begins with what of it was in the text.
	insert bool
	inline []byte
	// streams says that this is a plain SELECT, which the engine can hand out in chunks.
	streams bool
}

// parseStatement reads just enough of ClickHouse's grammar: whether it is an INSERT with data, where that data
// begins, and which output format is asked for. It never refuses: what is wrong with a query is the engine's to say.
func parseStatement(text []byte) statement {
	scan := scanner{text: text}
	first := scan.next()
	switch {
	case first.is("INSERT"):
		return parseInsert(text, &scan)
	case first.is("SELECT"), first.is("WITH"), first.is("("):
		st := statement{sql: string(text), streams: true}
		var last [3]token
		for t := first; t.kind != end; t = scan.next() {
			// WITH … INSERT INTO … SELECT gives no rows to stream.
			if t.depth == 0 && t.is("INSERT") {
				st.streams = false
			}
			last[0], last[1], last[2] = last[1], last[2], t
			if last[0].is("FORMAT") && last[0].depth == 0 && last[1].kind == word &&
				(t.is("SETTINGS") || t.is(";")) {
				st.format = last[1].text
			}
		}
		if last[1].is("FORMAT") && last[1].depth == 0 && last[2].kind == word {
			st.format = last[2].text
		}
		return st
	}
	// SHOW, EXPLAIN, DESCRIBE … may end in FORMAT too.
	st := statement{sql: string(text)}
	for previous, t := first, scan.next(); t.kind != end; previous, t = t, scan.next() {
		if previous.is("FORMAT") && previous.depth == 0 && t.kind == word {
			st.format = t.text
		}
	}
	return st
}

func parseInsert(text []byte, scan *scanner) statement {
	var previous token
	for t := scan.next(); t.kind != end; previous, t = t, scan.next() {
		if t.depth != 0 || previous.is(".") || previous.is("INTO") || previous.is("TABLE") {
			continue
		}
		switch {
		case t.is("SELECT"), t.is("WITH"), t.is("INFILE"), t.is("WATCH"):
			return statement{sql: string(text)}
		case t.is("VALUES"):
			return statement{sql: string(text[:t.start]), format: "Values", insert: true, inline: text[scan.pos:]}
		case t.is("FORMAT"):
			before := t.start
			name := scan.next()
			data := bytes.TrimLeft(text[scan.pos:], " \t\f")
			data = bytes.TrimPrefix(data, []byte("\r"))
			data = bytes.TrimPrefix(data, []byte("\n"))
			return statement{sql: string(text[:before]), format: name.text, insert: true, inline: data}
		}
	}
	// Neither FORMAT nor VALUES: ClickHouse takes what follows as VALUES.
	return statement{sql: strings.TrimRight(string(text), " \t\r\n;"), format: "Values", insert: true}
}

type tokenKind int

const (
	end tokenKind = iota
	word
	quoted
	symbol
)

type token struct {
	kind  tokenKind
	text  string
	start int
	depth int // of the brackets around it
}

// is compares with a keyword or a symbol, without regard to case.
func (t token) is(text string) bool {
	return (t.kind == word || t.kind == symbol) && strings.EqualFold(t.text, text)
}

// scanner cuts a query into tokens; strings, quoted names and comments hide what is in them.
type scanner struct {
	text  []byte
	pos   int
	depth int
}

func (s *scanner) next() token {
	s.skipSpace()
	if s.pos >= len(s.text) {
		return token{kind: end, start: s.pos}
	}
	start := s.pos
	switch c := s.text[start]; {
	case isWordByte(c):
		for s.pos < len(s.text) && isWordByte(s.text[s.pos]) {
			s.pos++
		}
		return token{word, string(s.text[start:s.pos]), start, s.depth}
	case c == '\'', c == '"', c == '`':
		s.skipQuoted(c)
		return token{quoted, string(s.text[start:s.pos]), start, s.depth}
	case c == '$' && s.skipHeredoc():
		return token{quoted, string(s.text[start:s.pos]), start, s.depth}
	default:
		s.pos++
		depth := s.depth
		if strings.IndexByte("([{", c) >= 0 {
			s.depth++
		} else if strings.IndexByte(")]}", c) >= 0 {
			s.depth = max(0, s.depth-1)
			depth = s.depth
		}
		return token{symbol, string(c), start, depth}
	}
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			s.pos++
		case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("#!")), bytes.HasPrefix(rest, []byte("# ")):
			s.skipPast(rest, "\n")
		case bytes.HasPrefix(rest, []byte("/*")):
			s.skipPast(rest, "*/")
		default:
			return
		}
	}
}

func (s *scanner) skipPast(rest []byte, mark string) {
	if i := bytes.Index(rest, []byte(mark)); i >= 0 {
		s.pos += i + len(mark)
	} else {
		s.pos = len(s.text)
	}
}

func (s *scanner) skipQuoted(quote byte) {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
		case quote: // a doubled quote reads as two strings side by side, which changes nothing here
			s.pos++
			return
		}
	}
	s.pos = len(s.text)
}

// skipHeredoc passes over $tag$ … $tag$, if one begins here.
func (s *scanner) skipHeredoc() bool {
	rest := s.text[s.pos:]
	n := 1
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	if n >= len(rest) || rest[n] != '$' {
		return false
	}
	tag := rest[:n+1]
	closing := bytes.Index(rest[n+1:], tag)
	if closing < 0 {
		return false
	}
	s.pos += n + 1 + closing + len(tag)
	return true
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
