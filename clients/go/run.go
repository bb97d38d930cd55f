// clickhouse-go over HTTP, unmodified, against `gavel clickhouse`: go run . HOST:PORT
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"os"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/paulmach/orb"
	"github.com/shopspring/decimal"
)

type family struct {
	column, kind string
	value        any
}

func power(exponent uint, less int64) *big.Int {
	number := new(big.Int).Lsh(big.NewInt(1), exponent)
	return number.Sub(number, big.NewInt(less))
}

func number(text string) decimal.Decimal {
	parsed, err := decimal.NewFromString(text)
	check(err == nil, "a decimal: %v", err)
	return parsed
}

func zone(name string) *time.Location {
	location, err := time.LoadLocation(name)
	check(err == nil, "a time zone: %v", err)
	return location
}

// One column a family of types, and a value that comes back as it was sent.
func families() []family {
	few := "few"
	return []family{
		{"i8", "Int8", int8(-128)},
		{"i16", "Int16", int16(-1 << 15)},
		{"i32", "Int32", int32(-1 << 31)},
		{"i64", "Int64", int64(-1 << 63)},
		{"i256", "Int256", new(big.Int).Neg(power(255, 0))},
		{"u8", "UInt8", uint8(255)},
		{"u16", "UInt16", uint16(1<<16 - 1)},
		{"u32", "UInt32", uint32(1<<32 - 1)},
		{"u64", "UInt64", uint64(1<<64 - 1)},
		{"u128", "UInt128", power(128, 1)},
		{"i128", "Int128", new(big.Int).Neg(power(127, 0))},
		{"u256", "UInt256", power(256, 1)},
		{"f32", "Float32", float32(1.5)},
		{"f64", "Float64", -0.5},
		{"bf16", "BFloat16", float32(1.5)},
		{"boolean", "Bool", true},
		{"d32", "Decimal(9, 2)", number("-1234567.89")},
		{"d256", "Decimal(76, 10)", number("123456789012345678901234567890.0123456789")},
		{"text", "String", "a\tb\n\\'ü"},
		{"fixed", "FixedString(4)", "abcd"},
		{"day", "Date", time.Date(2149, 6, 6, 0, 0, 0, 0, time.UTC)},
		{"day32", "Date32", time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"at", "DateTime('Asia/Tokyo')", time.Date(2026, 1, 2, 3, 4, 5, 0, zone("Asia/Tokyo"))},
		{"at64", "DateTime64(6, 'UTC')", time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)},
		{"clock", "Time64(3)", 10*time.Hour + 5*time.Millisecond},
		{"id", "UUID", uuid.MustParse("61f0c404-5cb3-11e7-907b-a6006ad3dba0")},
		{"v4", "IPv4", net.ParseIP("127.0.0.1").To4()},
		{"v6", "IPv6", net.ParseIP("2001:db8::1")},
		{"enum8", "Enum8('a' = 1, 'b' = -2)", "b"},
		{"enum16", "Enum16('a)' = 300)", "a)"},
		{"list", "Array(Array(Int32))", [][]int32{{1, 2}, {}}},
		{"maybe", "Array(Nullable(String))", []*string{&few, nil}},
		{"map", "Map(String, UInt64)", map[string]uint64{"a": 1, "b": 2}},
		{"tuple", "Tuple(a Int32, b String)", map[string]any{"a": int32(1), "b": "x"}},
		{"plain", "Tuple(Int32, String)", []any{int32(1), "x"}},
		{"nothing", "Nullable(Int64)", (*int64)(nil)},
		{"low", "LowCardinality(Nullable(String))", &few},
		{"lows", "Array(LowCardinality(String))", []string{"a", "b", "a"}},
		{"point", "Point", orb.Point{1, 2}},
		{"shape", "Polygon", orb.Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 0}}}},
		{"bits", "QBit(Float32, 3)", []float32{1, 2, 3}},
		{"simple", "SimpleAggregateFunction(sum, UInt64)", uint64(7)},
		{"variant", "Variant(String, UInt64)", clickhouse.NewVariantWithType("either", "String")},
		{"dynamic", "Dynamic", clickhouse.NewDynamicWithType(int64(5), "Int64")},
	}
}

func check(condition bool, what string, arguments ...any) {
	if !condition {
		log.Fatalf("clickhouse-go: "+what, arguments...)
	}
}

func must(err error, what string) {
	check(err == nil, "%s: %v", what, err)
}

// Whether the value is what was sent: as the types mean it, not to the last pointer.
func same(found, sent any) bool {
	switch sent := sent.(type) {
	case time.Time:
		found := found.(time.Time)
		return found.Equal(sent) && found.Format(time.DateTime) == sent.Format(time.DateTime)
	case decimal.Decimal:
		return found.(decimal.Decimal).Equal(sent)
	case *big.Int:
		return found.(*big.Int).Cmp(sent) == 0
	case net.IP:
		return found.(net.IP).Equal(sent)
	case clickhouse.Variant:
		return found.(clickhouse.Variant).Any() == sent.Any()
	case orb.Point, orb.Polygon, map[string]any, []any:
		return fmt.Sprint(found) == fmt.Sprint(sent)
	}
	return reflect.DeepEqual(found, sent)
}

func types(ctx context.Context, conn driver.Conn) {
	families := families()
	columns := ""
	values := make([]any, 0, len(families))
	for _, family := range families {
		columns += fmt.Sprintf("%s %s, ", family.column, family.kind)
		values = append(values, family.value)
	}
	create := fmt.Sprintf("CREATE OR REPLACE TABLE families (%s n UInt8) ENGINE = MergeTree ORDER BY n", columns)
	must(conn.Exec(ctx, create), "a table of all types")
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO families")
	must(err, "a batch of all types")
	for row := range uint8(3) {
		must(batch.Append(append(values, row)...), "a row of all types")
	}
	must(batch.Send(), "a batch is sent")

	rows, err := conn.Query(ctx, "SELECT * FROM families ORDER BY n")
	must(err, "all types")
	count := 0
	for rows.Next() {
		found := make([]any, len(values)+1)
		for at, column := range rows.ColumnTypes() {
			found[at] = reflect.New(column.ScanType()).Interface()
		}
		must(rows.Scan(found...), "a row")
		for at, family := range families {
			value := reflect.ValueOf(found[at]).Elem().Interface()
			check(same(value, family.value), "%s: sent %v, found %v", family.kind, family.value, value)
		}
		count++
	}
	must(rows.Err(), "rows of all types")
	check(count == 3, "%d rows of three", count)
}

// Values of a type of their own each: the flat form, which the client asks for, and the engine's own.
func shapeless(ctx context.Context, conn driver.Conn) {
	must(conn.Exec(ctx, "CREATE OR REPLACE TABLE shapeless (n UInt8, j JSON(k UInt8), d Dynamic) ENGINE = MergeTree ORDER BY n"), "a table of JSON")
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO shapeless")
	must(err, "a batch of JSON")
	for row := range uint8(4) {
		document := clickhouse.NewJSON()
		document.SetValueAtPath("k", row)
		document.SetValueAtPath("a.b", clickhouse.NewDynamicWithType(fmt.Sprint(row), "String"))
		if row%2 == 0 {
			document.SetValueAtPath("c", clickhouse.NewDynamicWithType([]int64{1, 2}, "Array(Int64)"))
		}
		dynamic := []any{int64(row), "text", nil, []string{"a"}}[row]
		kind := []string{"Int64", "String", "", "Array(String)"}[row]
		must(batch.Append(row, document, clickhouse.NewDynamicWithType(dynamic, kind)), "a document")
	}
	must(batch.Send(), "documents are sent")
	flat := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"output_format_native_use_flattened_dynamic_and_json_serialization": 1,
	}))
	for _, ctx := range []context.Context{ctx, flat} {
		rows, err := conn.Query(ctx, "SELECT n, j, d FROM shapeless ORDER BY n")
		must(err, "documents")
		count := 0
		for rows.Next() {
			var n uint8
			var document clickhouse.JSON
			var dynamic clickhouse.Dynamic
			must(rows.Scan(&n, &document, &dynamic), "a document")
			value, _ := document.ValueAtPath("a.b")
			text, _ := clickhouse.ExtractJSONPathAs[string](&document, "a.b")
			check(text == fmt.Sprint(n), "a.b of %d is %v", n, value)
			expected := []string{"0", "text", "<nil>", "[a]"}[n]
			check(fmt.Sprint(dynamic.Any()) == expected, "dynamic %d is %v", n, dynamic.Any())
			count++
		}
		must(rows.Err(), "rows of documents")
		check(count == 4, "%d documents of four", count)
	}
	texts := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"output_format_native_write_json_as_string": 1,
	}))
	var text string
	must(conn.QueryRow(texts, "SELECT j FROM shapeless WHERE n = 1").Scan(&text), "a document as text")
	check(text == `{"a":{"b":"1"},"k":1}`, "a document is %s", text)
}

func many(ctx context.Context, conn driver.Conn) {
	must(conn.Exec(ctx, "CREATE OR REPLACE TABLE many (n UInt64, s String) ENGINE = MergeTree ORDER BY n"), "a table")
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO many (n, s)")
	must(err, "a batch")
	for row := range uint64(100_000) {
		must(batch.Append(row, fmt.Sprintf("it's row %d", row)), "a row")
	}
	must(batch.Send(), "many rows are sent")
	var count uint64
	must(conn.QueryRow(ctx, "SELECT count() FROM many").Scan(&count), "a count")
	check(count == 100_000, "%d rows of 100000", count)

	rows, err := conn.Query(ctx, "SELECT number, toString(number) FROM numbers(300000)")
	must(err, "a stream")
	var sum uint64
	for rows.Next() {
		var n uint64
		var s string
		must(rows.Scan(&n, &s), "a row of a stream")
		check(s == fmt.Sprint(n), "%d is %s", n, s)
		sum += n
	}
	must(rows.Err(), "the end of a stream")
	check(sum == 44999850000, "a stream's sum is %d", sum)

	// A client that leaves in the middle, and a result of no rows.
	leaving, leave := context.WithCancel(ctx)
	rows, err = conn.Query(leaving, "SELECT number FROM numbers(10000000000)")
	must(err, "an endless stream")
	check(rows.Next(), "an endless stream ends")
	leave()
	for rows.Next() {
	}
	check(rows.Err() != nil, "nobody said that the client left")
	rows, err = conn.Query(ctx, "SELECT n FROM many WHERE n > 1000000")
	must(err, "no rows")
	check(!rows.Next() && rows.Err() == nil, "rows where there are none")
}

func questions(ctx context.Context, conn driver.Conn) {
	var n uint64
	var s string
	given := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"n": "41", "s": "it's ü"}))
	must(conn.QueryRow(given, "SELECT {n:UInt64} + 1, {s:String}").Scan(&n, &s), "parameters")
	check(n == 42 && s == "it's ü", "parameters are %d and %q", n, s)
	must(conn.QueryRow(ctx, "SELECT toUInt64(?), ?", 42, "it's").Scan(&n, &s), "bound values")
	check(n == 42 && s == "it's", "bound values are %d and %q", n, s)
	set := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 77}))
	must(conn.QueryRow(set, "SELECT toUInt64(getSetting('max_block_size'))").Scan(&n), "a setting")
	check(n == 77, "a setting is %d", n)

	table, err := ext.NewTable("given", ext.Column("id", "UInt64"), ext.Column("name", "LowCardinality(String)"))
	must(err, "an external table")
	must(table.Append(uint64(1), "a"), "a row of an external table")
	must(table.Append(uint64(2), "b"), "a row of an external table")
	with := clickhouse.Context(ctx, clickhouse.WithExternalTable(table))
	must(conn.QueryRow(with, "SELECT name FROM given WHERE id = 2").Scan(&s), "external data")
	check(s == "b", "external data is %q", s)

	session := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"session_id": "go"}))
	must(conn.Exec(session, "CREATE TEMPORARY TABLE mine (a UInt8)"), "a temporary table")
	must(conn.Exec(session, "INSERT INTO mine VALUES (1)"), "a row of a temporary table")
	must(conn.QueryRow(session, "SELECT toUInt64(a) FROM mine").Scan(&n), "a session")
	must(conn.Exec(session, "DROP TEMPORARY TABLE mine"), "a session's end")
	must(conn.AsyncInsert(ctx, "INSERT INTO many VALUES (100001, 'late')", true), "an insert that waits")
	var at time.Time
	must(conn.QueryRow(ctx, "SELECT toDateTime(0, 'America/New_York')").Scan(&at), "a time")
	check(at.Location().String() == "America/New_York", "a time is of %s", at.Location())
	must(conn.Ping(ctx), "ping")
	version, err := conn.ServerVersion()
	must(err, "the version")
	check(version.Version.Major > 20, "the version is %s", version)
}

func refused(err error, code int32, what string) {
	var exception *clickhouse.Exception
	check(errors.As(err, &exception), "%s: %v", what, err)
	check(exception.Code == code, "%s: %v", what, err)
}

func mistakes(ctx context.Context, conn driver.Conn) {
	_, err := conn.Query(ctx, "SELECT nope")
	refused(err, 47, "an unknown column")
	_, err = conn.PrepareBatch(ctx, "INSERT INTO nowhere")
	refused(err, 60, "a batch for no table")
	refused(conn.Exec(ctx, "INSERT INTO nowhere VALUES (1)"), 60, "a failed insert")
	_, err = conn.Query(ctx, "SELECT sumState(number) FROM numbers(3)")
	refused(err, 48, "a state of an aggregation")
	rows, err := conn.Query(ctx, "SELECT toString(number), throwIf(number = 1000000) FROM numbers(3000000)")
	must(err, "a stream that fails late")
	for rows.Next() {
	}
	refused(rows.Err(), 395, "an error in mid-stream")
	must(conn.Ping(ctx), "the connection after errors")
}

// The same through database/sql, as most programs and Grafana's plug-in have it.
func standard(ctx context.Context, options *clickhouse.Options) {
	db := clickhouse.OpenDB(options)
	defer db.Close()
	var n uint64
	var s sql.NullString
	must(db.QueryRowContext(ctx, "SELECT count(), NULL::Nullable(String) FROM many WHERE s = ?", "it's row 7").Scan(&n, &s), "database/sql")
	check(n == 1 && !s.Valid, "database/sql found %d", n)
	tx, err := db.BeginTx(ctx, nil)
	must(err, "a transaction that is a batch")
	insert, err := tx.PrepareContext(ctx, "INSERT INTO many (n, s)")
	must(err, "a prepared insert")
	for row := range 10 {
		_, err = insert.ExecContext(ctx, uint64(200_000+row), "more")
		must(err, "a row of a prepared insert")
	}
	must(tx.Commit(), "a commit")
	must(db.QueryRowContext(ctx, "SELECT count() FROM many WHERE s = 'more'").Scan(&n), "what was committed")
	check(n == 10, "%d rows of ten", n)
	_, err = db.QueryContext(ctx, "SELECT nope")
	refused(err, 47, "an unknown column of database/sql")
}

// One who only reads, as Grafana's plug-in does: through database/sql, and with the questions that it asks.
func reads(ctx context.Context, options *clickhouse.Options) {
	wrong := *options
	wrong.Auth.Password = "wrong"
	refused(clickhouse.OpenDB(&wrong).PingContext(ctx), 516, "a wrong password")
	db := clickhouse.OpenDB(options)
	defer db.Close()
	must(db.PingContext(ctx), "a reader's ping")
	for question, columns := range map[string]int{
		"SELECT version()": 1,
		"SELECT value FROM system.settings WHERE name='readonly'":                                                                                   1,
		"SELECT database, name FROM system.tables ORDER BY database, name":                                                                          2,
		"SELECT database, table, name, type, comment FROM system.columns WHERE (database, table) IN (('default', 'many')) ORDER BY position":        5,
		`DESCRIBE TABLE "default"."many"`:                                                                                                           7,
		"SELECT toStartOfInterval(toDateTime(n), INTERVAL 3600 second) AS time, count() AS c FROM many WHERE n < 86400 GROUP BY time ORDER BY time": 2,
		"SELECT DISTINCT s FROM many LIMIT 10":                                                                                                      1,
		"SELECT * FROM families":                                                                                                                    45,
	} {
		rows, err := db.QueryContext(ctx, question)
		must(err, question)
		names, err := rows.Columns()
		must(err, question)
		check(len(names) == columns, "%s has %d columns", question, len(names))
		count := 0
		for rows.Next() {
			count++
		}
		must(rows.Err(), question)
		check(count > 0, "%s has no rows", question)
	}
	for _, statement := range []string{
		"INSERT INTO many VALUES (1, 'x')", "CREATE TABLE mine (a UInt8) ENGINE = Memory", "DROP TABLE many",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT 1 SETTINGS max_execution_time = 10", "SET readonly = 0",
	} {
		_, err := db.ExecContext(ctx, statement)
		refused(err, 164, statement)
	}
}

func main() {
	log.SetFlags(0)
	methods := []clickhouse.CompressionMethod{
		clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD,
		clickhouse.CompressionGZIP, clickhouse.CompressionDeflate, clickhouse.CompressionBrotli,
	}
	for _, method := range methods {
		options := &clickhouse.Options{
			Protocol:    clickhouse.HTTP,
			Addr:        []string{os.Args[1]},
			Auth:        clickhouse.Auth{Database: "default", Username: "default"},
			Compression: &clickhouse.Compression{Method: method, Level: 3},
		}
		conn, err := clickhouse.Open(options)
		must(err, "a connection")
		ctx := context.Background()
		types(ctx, conn)
		shapeless(ctx, conn)
		many(ctx, conn)
		questions(ctx, conn)
		mistakes(ctx, conn)
		must(conn.Close(), "the end")
		standard(ctx, options)
		options.Auth = clickhouse.Auth{Database: "default", Username: "reader", Password: "reads"}
		reads(ctx, options)
		fmt.Printf("clickhouse-go, compression %s: well\n", method)
	}
}
