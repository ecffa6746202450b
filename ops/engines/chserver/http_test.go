package chserver_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gosight/gosight/ops/engines/enginetest"
)

// call is one raw request, as curl would make it.
type call struct {
	method, path, body string
	query              url.Values
	header             map[string]string
}

func do(t *testing.T, base string, c call) (status int, body string, header http.Header) {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	request, err := http.NewRequest(c.method, base+c.path+"?"+c.query.Encode(), strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.header {
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw), response.Header
}

func TestHTTPInterface(t *testing.T) {
	base := enginetest.TestClickHouse(t)
	const table = "CREATE TABLE d.t (a UInt64, b String) ENGINE = MergeTree ORDER BY a"
	for _, sql := range []string{"CREATE DATABASE d", table} {
		if status, body, _ := do(t, base, call{path: "/", body: sql}); status != 200 || body != "" {
			t.Fatalf("%s: %d %s", sql, status, body)
		}
	}
	zipped := new(bytes.Buffer)
	zipper := gzip.NewWriter(zipped)
	io.WriteString(zipper, "4,four\n5,five\n")
	zipper.Close()
	in := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, test := range []struct {
		name   string
		call   call
		status int
		want   string
		header map[string]string
	}{
		{"ping", call{method: "GET", path: "/ping"}, 200, "Ok.\n", nil},
		{"root", call{method: "GET", path: "/"}, 200, "Ok.\n", nil},
		{"no such path", call{method: "GET", path: "/nosuch"}, 404, "There is no handle /nosuch", nil},
		{"query in the URL", call{method: "GET", path: "/", query: in("query", "SELECT 1")}, 200, "1\n",
			map[string]string{"X-Clickhouse-Format": "TabSeparated"}},
		{"GET changes nothing", call{method: "GET", path: "/", query: in("query", "DROP TABLE d.t")}, 500,
			"Code: 164.", map[string]string{"X-Clickhouse-Exception-Code": "164"}},
		{"insert, all in the body", call{path: "/", body: "INSERT INTO d.t VALUES (1, 'one'), (1+1, 'two')"}, 200, "",
			nil},
		{"insert, query in the URL", call{path: "/", query: in("query", "INSERT INTO t FORMAT JSONEachRow",
			"database", "d"), body: `{"a": 3, "b": "three"}`}, 200, "", nil},
		{"insert, gzip", call{path: "/", query: in("query", "INSERT INTO d.t (a, b) FORMAT CSV"), body: zipped.String(),
			header: map[string]string{"Content-Encoding": "gzip"}}, 200, "", nil},
		{"insert, format word as a table's and column's name", call{path: "/",
			body: "INSERT INTO d.t (a, b) SETTINGS max_insert_block_size = 10 -- FORMAT CSV\nFORMAT TSV\n6\tsix\n"}, 200,
			"", nil},
		{"database from a header", call{path: "/", body: "SELECT count(), sum(a) FROM t",
			header: map[string]string{"X-ClickHouse-Database": "d"}}, 200, "6\t21\n", nil},
		{"default_format", call{path: "/", query: in("default_format", "JSONCompactEachRow"),
			body: "SELECT a, b FROM d.t WHERE a = 2"}, 200, `[2, "two"]` + "\n",
			map[string]string{"Content-Type": "application/x-ndjson; charset=UTF-8"}},
		{"format by header", call{path: "/", body: "SELECT 1 AS x",
			header: map[string]string{"X-ClickHouse-Format": "JSONEachRow"}}, 200, `{"x":1}` + "\n", nil},
		{"FORMAT in the query wins", call{path: "/", query: in("default_format", "JSON"),
			body: "SELECT number FROM numbers(3) FORMAT CSV SETTINGS max_block_size = 1"}, 200, "0\n1\n2\n", nil},
		{"a document format is one document", call{path: "/",
			body: "SELECT number FROM numbers(3) SETTINGS max_block_size = 1 FORMAT CSVWithNames"}, 200,
			"\"number\"\n0\n1\n2\n", nil},
		{"parameters", call{path: "/", query: in("param_a", "2", "param_b", "it's\\ttwo"),
			body: "SELECT {a:UInt8} + 1, {b:String}"}, 200, "3\tit\\'s\\ttwo\n", nil},
		{"show", call{path: "/", body: "SHOW TABLES FROM d FORMAT JSONEachRow"}, 200, `{"name":"t"}` + "\n", nil},
		{"explain", call{path: "/", body: "EXPLAIN SYNTAX SELECT 1"}, 200, "SELECT 1\n", nil},
		{"with … select", call{path: "/", body: "WITH 5 AS five SELECT five"}, 200, "5\n", nil},
		{"with … insert", call{path: "/", body: "INSERT INTO d.t WITH 7 AS x SELECT x, 'seven'"}, 200, "", nil},
		{"insert from select", call{path: "/", body: "INSERT INTO d.t SELECT a + 100, b FROM d.t"}, 200, "", nil},
		{"query_id", call{path: "/", query: in("query_id", "mine"), body: "SELECT 1"}, 200, "1\n",
			map[string]string{"X-Clickhouse-Query-Id": "mine"}},
		{"wait_end_of_query", call{path: "/", query: in("wait_end_of_query", "1"),
			body: "SELECT throwIf(number = 500000) FROM numbers(1000000)"}, 500, "Code: 395.", nil},
		{"max_execution_time", call{path: "/", query: in("max_execution_time", "0.2"),
			body: "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 7"}, 408, "Code: 159.", nil},
		{"setting without a value that fits", call{path: "/", query: in("max_threads", "many"), body: "SELECT 1"}, 400,
			"Code: ", nil},
		{"unknown setting", call{path: "/", query: in("no_such_setting", "1"), body: "SELECT 1"}, 404, "Code: 115.", nil},
		{"unknown database", call{path: "/", query: in("database", "nosuch"), body: "SELECT 1"}, 404, "Code: 81.", nil},
		{"empty query", call{path: "/"}, 400, "Code: 62.", nil},
		{"query too long", call{path: "/", body: "SELECT '" + strings.Repeat("x", 300<<10) + "'"}, 400, "Code: 62.", nil},
		{"bad data", call{path: "/", body: "INSERT INTO d.t FORMAT JSONEachRow {not json"}, 400, "Code: ", nil},
		{"bad Native data", call{path: "/", query: in("query", "INSERT INTO d.t FORMAT Native"),
			body: strings.Repeat("\xff", 1000)}, 500, "Code: ", nil},
		{"bad gzip", call{path: "/", body: "not gzip", header: map[string]string{"Content-Encoding": "gzip"}}, 500,
			"Code: 271.", nil},
		{"bad compressed block", call{path: "/", query: in("decompress", "1"), body: strings.Repeat("x", 100)}, 500,
			"Code: 271.", nil},
		{"sessions", call{path: "/", query: in("session_id", "s"), body: "SELECT 1"}, 501, "Code: 48.", nil},
		{"page of another site", call{path: "/", body: "SELECT 1", header: map[string]string{
			"Sec-Fetch-Site": "cross-site"}}, 403, "Code: 497.", nil},
		{"name that points at loopback", call{path: "/", body: "SELECT 1", header: map[string]string{
			"Host": "evil.example:8123"}}, 403, "Code: 497.", nil},
		{"everything arrived once", call{path: "/", body: "SELECT count(), uniqExact(a) FROM d.t"}, 200, "14\t14\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body, header := do(t, base, test.call)
			if status != test.status || !strings.HasPrefix(body, test.want) || test.want == "" && body != "" {
				t.Errorf("got %d %.300s\nwant %d %s", status, body, test.status, test.want)
			}
			for name, value := range test.header {
				if header.Get(name) != value {
					t.Errorf("%s is %q, want %q", name, header.Get(name), value)
				}
			}
		})
	}
}

// A result larger than its query may hold as a whole flows through.
func TestLargeResultStreams(t *testing.T) {
	base := enginetest.TestClickHouse(t)
	response, err := http.Post(base+"/?max_memory_usage=40000000&max_block_size=2000", "",
		strings.NewReader("SELECT number, repeat('x', 1000) FROM numbers(120000)"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n < 120_000_000 {
		t.Errorf("%s, read %d bytes: %v", response.Status, n, err)
	}
}

func TestInsertReportsWhatItWrote(t *testing.T) {
	base := enginetest.TestClickHouse(t)
	do(t, base, call{path: "/", body: "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a"})
	_, _, header := do(t, base, call{path: "/", body: "INSERT INTO t VALUES (1), (2)"})
	if summary := header.Get("X-Clickhouse-Summary"); !strings.Contains(summary, `"written_rows":"2"`) {
		t.Errorf("summary %s", summary)
	}
}
