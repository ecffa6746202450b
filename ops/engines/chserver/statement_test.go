package chserver

import (
	"testing"
)

func TestParseStatement(t *testing.T) {
	for _, test := range []struct {
		text string
		want statement
	}{
		{"SELECT 1", statement{streams: true}},
		{"select 1 format JSON", statement{streams: true, format: "JSON"}},
		{"SELECT 1 FORMAT JSON ;", statement{streams: true, format: "JSON"}},
		{"SELECT 1 FORMAT JSON SETTINGS a = 1", statement{streams: true, format: "JSON"}},
		{"SELECT 1 SETTINGS a = 1 FORMAT CSV -- FORMAT TSV", statement{streams: true, format: "CSV"}},
		{"SELECT ' FORMAT x', `FORMAT`, \"a\" FROM t", statement{streams: true}},
		{"SELECT 'it\\'s', 'it''s' FORMAT CSV", statement{streams: true, format: "CSV"}},
		{"SELECT (SELECT 1 AS format)", statement{streams: true}},
		{"SELECT $x$ FORMAT CSV $x$", statement{streams: true}},
		{"/* a */ (SELECT 1) UNION ALL (SELECT 2) FORMAT CSV", statement{streams: true, format: "CSV"}},
		{"WITH 1 AS x SELECT x", statement{streams: true}},
		{"WITH 1 AS x INSERT INTO t SELECT x", statement{}},
		{"SHOW TABLES FORMAT JSON", statement{format: "JSON"}},
		{"INSERT INTO t VALUES (1)", statement{sql: "INSERT INTO t ", insert: true, format: "Values", inline: []byte(" (1)")}},
		{"INSERT INTO a.values (format) FORMAT CSV\n1\n",
			statement{sql: "INSERT INTO a.values (format) ", insert: true, format: "CSV", inline: []byte("1\n")}},
		{"INSERT INTO format FORMAT CSV  \r\n\n1",
			statement{sql: "INSERT INTO format ", insert: true, format: "CSV", inline: []byte("\n1")}},
		{"INSERT INTO t FORMAT Native", statement{sql: "INSERT INTO t ", insert: true, format: "Native"}},
		{"INSERT INTO t (a);\n", statement{sql: "INSERT INTO t (a)", insert: true, format: "Values"}},
		{"INSERT INTO t SELECT 1 FORMAT Null", statement{}},
		{"INSERT INTO FUNCTION file('x', CSV, 'a Int8') VALUES (1)", statement{
			sql: "INSERT INTO FUNCTION file('x', CSV, 'a Int8') ", insert: true, format: "Values", inline: []byte(" (1)")}},
		{"", statement{}},
	} {
		got := parseStatement([]byte(test.text))
		if test.want.sql == "" {
			test.want.sql = test.text
		}
		if got.sql != test.want.sql || got.format != test.want.format || got.insert != test.want.insert ||
			got.streams != test.want.streams || string(got.inline) != string(test.want.inline) {
			t.Errorf("%s\n got %+v\nwant %+v", test.text, got, test.want)
		}
	}
}

// Whatever the text, the parts must be parts of it: nothing is read out of bounds or made up.
func FuzzParseStatement(f *testing.F) {
	for _, seed := range []string{"SELECT 1 FORMAT JSON", "INSERT INTO t VALUES (1)", "INSERT INTO t FORMAT CSV\n1",
		"SELECT '\\", "$a$ x", "/*", "--", "((((", "))))", "INSERT", "FORMAT"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		st := parseStatement(text)
		if len(st.sql)+len(st.inline) > len(text) {
			t.Errorf("%q gives sql %q and data %q", text, st.sql, st.inline)
		}
	})
}
