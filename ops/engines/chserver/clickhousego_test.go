package chserver_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/gosight/gosight/ops/engines/enginetest"
)

// connect opens clickhouse-go on an engine's URL, as the product does.
func connect(t *testing.T, url string, change func(*clickhouse.Options)) clickhouse.Conn {
	t.Helper()
	options := &clickhouse.Options{
		Addr: []string{strings.TrimPrefix(url, "http://")}, Protocol: clickhouse.HTTP,
		Auth: clickhouse.Auth{Database: "default", Username: "default"},
	}
	if change != nil {
		change(options)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const everyType = `CREATE TABLE everything (
	id UInt64, flag Bool, small Int8, ratio Float64, name String, fixed FixedString(4), uuid UUID,
	day Date, at DateTime, exact DateTime64(3), zoned DateTime64(6, 'Europe/Berlin'),
	maybe Nullable(String), color LowCardinality(String), shade LowCardinality(Nullable(String)),
	tags Array(String), nested Array(Array(UInt32)), metadata Map(String, String),
	counts Map(LowCardinality(String), UInt64), pair Tuple(x Float32, y Float32),
	level Enum8('low' = 1, 'high' = 2), amount Decimal(18, 4), address IPv4, address6 IPv6
) ENGINE = MergeTree ORDER BY id`

// everyRow holds a value for each column of everything.
func everyRow(id uint64) []any {
	at := time.Date(2026, 11, 23, 18, 30, 15, 0, time.UTC)
	text, shade := "päge", "dark"
	row := []any{
		id, id%2 == 0, int8(-5), 2.5, "name " + text, "abcd", "123e4567-e89b-12d3-a456-426614174000",
		at.Truncate(24 * time.Hour), at, at.Add(123 * time.Millisecond), at.Add(456 * time.Microsecond),
		&text, "red", &shade,
		[]string{"a", "b"}, [][]uint32{{1}, {}, {2, 3}}, map[string]string{"browser": "Firefox"},
		map[string]uint64{"rage_click": id}, []any{float32(1), float32(2)},
		"high", "12.3456", "10.1.2.3", "2001:db8::1",
	}
	if id%3 == 0 {
		row[11], row[13] = (*string)(nil), (*string)(nil)
	}
	return row
}

func TestEveryColumnTypeTravelsBothWays(t *testing.T) {
	url := enginetest.TestClickHouse(t)
	for _, method := range []clickhouse.CompressionMethod{
		clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD,
		clickhouse.CompressionGZIP, clickhouse.CompressionDeflate, clickhouse.CompressionBrotli,
	} {
		t.Run(method.String(), func(t *testing.T) {
			ctx := t.Context()
			conn := connect(t, url, func(o *clickhouse.Options) {
				o.Compression = &clickhouse.Compression{Method: method, Level: 1}
				o.Settings = clickhouse.Settings{"enable_http_compression": 1}
			})
			for _, sql := range []string{"DROP TABLE IF EXISTS everything", everyType} {
				if err := conn.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO everything")
			if err != nil {
				t.Fatal(err)
			}
			const rows = 3000
			for id := range uint64(rows) {
				if err := batch.Append(everyRow(id)...); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			checkEverything(t, conn, rows)
		})
	}
}

// checkEverything reads the table back and compares it with what was written.
func checkEverything(t *testing.T, conn clickhouse.Conn, want uint64) {
	t.Helper()
	var sum, distinct uint64
	if err := conn.QueryRow(t.Context(), "SELECT sum(id), uniqExact(metadata['browser'], name) FROM everything").
		Scan(&sum, &distinct); err != nil {
		t.Fatal(err)
	}
	if sum != want*(want-1)/2 || distinct != 1 {
		t.Errorf("the engine has sum(id) = %d and %d distinct names", sum, distinct)
	}
	result, err := conn.Query(t.Context(), `SELECT id, name, exact, zoned, maybe, color, shade, tags, nested, metadata,
		counts, level, toString(amount), toString(address), toString(address6) FROM everything ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	var n uint64
	for result.Next() {
		var (
			id                        uint64
			name, color, level        string
			amount, address, address6 string
			exact, zoned              time.Time
			maybe, shade              *string
			tags                      []string
			nested                    [][]uint32
			metadata                  map[string]string
			counts                    map[string]uint64
		)
		if err := result.Scan(&id, &name, &exact, &zoned, &maybe, &color, &shade, &tags, &nested, &metadata, &counts,
			&level, &amount, &address, &address6); err != nil {
			t.Fatal(err)
		}
		row := everyRow(id)
		got := []any{name, exact.UTC(), zoned.UTC(), maybe, color, shade, tags, nested, metadata, counts, level,
			amount, address, address6}
		expected := []any{row[4], row[9], row[10], row[11], row[12], row[13], row[14], row[15], row[16], row[17],
			row[19], row[20], row[21], row[22]}
		if id != n || !reflect.DeepEqual(got, expected) {
			t.Fatalf("row %d reads\n%v, want\n%v", id, got, expected)
		}
		n++
	}
	if err := result.Err(); err != nil || n != want {
		t.Fatalf("read %d rows of %d: %v", n, want, err)
	}
}

func TestServerErrorsKeepTheirCode(t *testing.T) {
	conn := connect(t, enginetest.TestClickHouse(t), nil)
	for sql, code := range map[string]int32{
		"SELECT * FROM nosuch":          60,
		"SELECT * FROM no.such":         81,
		"SELECT nosuch(1)":              46,
		"SELECT nosuch FROM system.one": 47,
		"SELECT FROM WHERE":             62,
		"SELECT 1; SELECT 2":            62,
		"CREATE TABLE t (a Nosuch)":     50,
		"SELECT throwIf(1)":             395,
		"SELECT 1 SETTINGS nosuch = 1":  115,
		"SELECT toUInt8('x')":           6,
		"INSERT INTO nosuch VALUES (1)": 60,
		"INSERT INTO nosuch SELECT 1":   60,
	} {
		err := conn.Exec(t.Context(), sql)
		var exception *clickhouse.Exception
		if !errors.As(err, &exception) || exception.Code != code {
			t.Errorf("%s: got %v, want code %d", sql, err, code)
		}
	}
}

// An error after the first block must not look like a short result.
func TestErrorInTheMiddleOfAResult(t *testing.T) {
	url := enginetest.TestClickHouse(t)
	for _, method := range []clickhouse.CompressionMethod{
		clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionGZIP,
	} {
		conn := connect(t, url, func(o *clickhouse.Options) {
			o.Compression = &clickhouse.Compression{Method: method}
			o.Settings = clickhouse.Settings{"enable_http_compression": 1}
		})
		rows, err := conn.Query(t.Context(), "SELECT throwIf(number = 500000), number FROM numbers(1000000)")
		if err != nil {
			t.Fatalf("%s: the query failed before its first block: %v", method, err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		var exception *clickhouse.Exception
		if !errors.As(rows.Err(), &exception) || exception.Code != 395 {
			t.Errorf("%s: after %d rows: %v, want the exception 395", method, n, rows.Err())
		}
		rows.Close()
	}
}

func TestCancelStopsTheQuery(t *testing.T) {
	conn := connect(t, enginetest.TestClickHouse(t), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	// Without the cancel this runs for hours.
	var n uint64
	err := conn.QueryRow(ctx, "SELECT count() FROM numbers(100000000000000) WHERE sipHash64(number) = 7").Scan(&n)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the deadline", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		var running uint64
		err := conn.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' "+
			"AND query NOT LIKE '%system.processes%'").Scan(&running)
		if err != nil {
			t.Fatal(err)
		}
		if running == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the engine still runs a query whose client has gone")
		}
	}
}

func TestSettingsParametersAndDatabaseEndWithTheRequest(t *testing.T) {
	url := enginetest.TestClickHouse(t)
	conn := connect(t, url, nil)
	ctx := t.Context()
	if err := conn.Exec(ctx, "CREATE DATABASE other"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(ctx, "CREATE TABLE other.t (a UInt8) ENGINE = Memory"); err != nil {
		t.Fatal(err)
	}
	other := connect(t, url, func(o *clickhouse.Options) { o.Auth.Database = "other" })
	var database, value, empty string
	withSettings := clickhouse.Context(ctx,
		clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1, "date_time_output_format": "iso"}),
		clickhouse.WithParameters(clickhouse.Parameters{"p": `it's`, "table": "t"}))
	if err := other.QueryRow(withSettings, "SELECT currentDatabase(), {p:String} || toString(getSetting('max_threads')) "+
		"|| toString((SELECT count() FROM {table:Identifier}))").Scan(&database, &value); err != nil {
		t.Fatal(err)
	}
	if database != "other" || value != "it's10" {
		t.Errorf("got %s, %s", database, value)
	}
	if err := conn.QueryRow(ctx, "SELECT currentDatabase(), getSetting('date_time_output_format')").
		Scan(&database, &empty); err != nil {
		t.Fatal(err)
	}
	if database != "default" || empty == "iso" {
		t.Errorf("the next request sees database %s and setting %s", database, empty)
	}
}

func TestManyQueriesAtOnce(t *testing.T) {
	conn := connect(t, enginetest.TestClickHouse(t), func(o *clickhouse.Options) { o.MaxOpenConns = 40 })
	results := make(chan error)
	const clients = 40
	for range clients {
		go func() {
			var sum uint64
			for range 5 {
				if err := conn.QueryRow(context.Background(), "SELECT sum(number) FROM numbers(100000)").Scan(&sum); err != nil {
					results <- err
					return
				}
			}
			results <- nil
		}()
	}
	for range clients {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
