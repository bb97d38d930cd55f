"""clickhouse-connect, unmodified, against `gavel clickhouse`: python run.py HOST PORT."""

import datetime
import decimal
import ipaddress
import logging
import sys
import uuid

import clickhouse_connect
import pandas
import pyarrow
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

# It logs the errors that are asked for here.
logging.disable(logging.CRITICAL)

HOST, PORT = sys.argv[1], int(sys.argv[2])

# One column a family of types: its type, and a value that comes back as it was sent.
FAMILIES = {
    "i8": ("Int8", -(2**7)),
    "i16": ("Int16", -(2**15)),
    "i32": ("Int32", -(2**31)),
    "i64": ("Int64", -(2**63)),
    "i128": ("Int128", -(2**127)),
    "i256": ("Int256", -(2**255)),
    "u8": ("UInt8", 2**8 - 1),
    "u16": ("UInt16", 2**16 - 1),
    "u32": ("UInt32", 2**32 - 1),
    "u64": ("UInt64", 2**64 - 1),
    "u128": ("UInt128", 2**128 - 1),
    "u256": ("UInt256", 2**256 - 1),
    "f32": ("Float32", 1.5),
    "f64": ("Float64", -0.5),
    "boolean": ("Bool", True),
    "d32": ("Decimal(9, 2)", decimal.Decimal("-1234567.89")),
    "d256": ("Decimal(76, 10)", decimal.Decimal("123456789012345678901234567890.0123456789")),
    "text": ("String", "a\tb\n\\'ü"),
    "fixed": ("FixedString(4)", b"abcd"),
    "day": ("Date", datetime.date(2149, 6, 6)),
    "day32": ("Date32", datetime.date(1900, 1, 1)),
    "at": ("DateTime('UTC')", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)),
    "at64": (
        "DateTime64(6, 'UTC')",
        datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc),
    ),
    "id": ("UUID", uuid.UUID("61f0c404-5cb3-11e7-907b-a6006ad3dba0")),
    "v4": ("IPv4", ipaddress.IPv4Address("127.0.0.1")),
    "v6": ("IPv6", ipaddress.IPv6Address("2001:db8::1")),
    "enum": ("Enum8('a' = 1, 'b' = -2)", "b"),
    "list": ("Array(Array(Int32))", [[1, 2], []]),
    "map": ("Map(String, UInt64)", {"a": 1, "b": 2}),
    "tuple": ("Tuple(a Int32, b String)", {"a": 1, "b": "x"}),
    "nothing": ("Nullable(Int64)", None),
    "low": ("LowCardinality(Nullable(String))", "few"),
    "json": ("JSON", {"a": {"b": "c"}, "n": 5}),
    "variant": ("Variant(String, UInt64)", "either"),
    "dynamic": ("Dynamic", "anything"),
}


def check(what, condition):
    if not condition:
        raise SystemExit(f"clickhouse-connect: {what}")


def refused(what, code, ask):
    try:
        ask()
    except (DatabaseError, StreamFailureError) as error:
        check(f"{what}: {error}", f"code: {code}" in str(error).lower() or f"code {code}" in str(error))
    else:
        check(f"{what} went well", False)


def same(found, sent):
    if isinstance(sent, datetime.datetime):
        # It takes UTC for naive unless told otherwise.
        return found.replace(tzinfo=None) == sent.replace(tzinfo=None)
    if isinstance(found, float) or isinstance(sent, float):
        return float(found) == float(sent)
    return str(found) == str(sent) or found == sent


def families(client):
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in FAMILIES.items())
    client.command(f"CREATE OR REPLACE TABLE families ({columns}) ENGINE = MergeTree ORDER BY tuple()")
    client.insert("families", [[value for _, value in FAMILIES.values()]], column_names=list(FAMILIES))
    result = client.query("SELECT * FROM families")
    check("one row comes back", result.row_count == 1)
    for name, found in zip(result.column_names, result.result_rows[0]):
        check(f"{name}: sent {FAMILIES[name][1]!r}, found {found!r}", same(found, FAMILIES[name][1]))
    check("the summary counts", int(result.summary.get("read_rows", 0)) >= 1)


def frames(client):
    client.command("CREATE OR REPLACE TABLE frames (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    frame = pandas.DataFrame({"n": range(100_000), "s": [f"row {n}" for n in range(100_000)]})
    client.insert_df("frames", frame)
    check("a frame comes back", client.query_df("SELECT * FROM frames ORDER BY n")["s"].tolist() == frame["s"].tolist())
    table = client.query_arrow("SELECT n, s FROM frames ORDER BY n")
    check("an Arrow table comes back", isinstance(table, pyarrow.Table) and table.num_rows == 100_000)
    client.insert_arrow("frames", table)
    check("an Arrow table goes in", client.command("SELECT count() FROM frames") == 200_000)
    with client.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
        check("a stream is whole", sum(len(block) for block in stream) == 1_000_000)


def questions(client):
    answer = client.query("SELECT {n:UInt64} + 1, {s:String}", parameters={"n": 41, "s": "it's \\ \t"})
    check("parameters", answer.result_rows == [(42, "it's \\ \t")])
    check("settings", str(client.command("SELECT getSetting('max_block_size')", settings={"max_block_size": 77})) == "77")
    external = ExternalData(file_name="t.csv", fmt="CSV", structure=["id UInt64", "name String"], data=b"1,a\n2,b\n")
    found = client.query("SELECT name FROM t WHERE id = 2", external_data=external)
    check("external data", found.result_rows == [("b",)])
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    client.command("INSERT INTO mine VALUES (1)")
    check("a session", client.command("SELECT a FROM mine") == 1)


def errors(client):
    refused("an unknown column", 47, lambda: client.query("SELECT nope"))
    refused("a failed insert", 60, lambda: client.insert("nowhere", [[1]], column_names=["a"], column_type_names=["UInt8"]))

    def late():
        with client.query_row_block_stream("SELECT throwIf(number = 5000000) FROM numbers(10000000)") as stream:
            for _ in stream:
                pass

    refused("an error in mid-stream", 395, late)
    check("and the next query", client.command("SELECT 1") == 1)


def reads(client):
    row = client.query("SELECT * FROM families").result_rows[0]
    for (_, sent), found in zip(FAMILIES.values(), row):
        check(f"a reader: sent {sent!r}, found {found!r}", same(found, sent))
    check("a reader's frame", len(client.query_df("SELECT n FROM frames LIMIT 1000")) == 1000)
    check("a reader's parameters", client.query("SELECT {n:UInt8}", parameters={"n": 7}).result_rows == [(7,)])
    with client.query_row_block_stream("SELECT number FROM numbers(100000)") as stream:
        check("a reader's stream is whole", sum(len(block) for block in stream) == 100_000)
    refused("a reader's insert", 164, lambda: client.insert("frames", [[1, "x"]], column_names=["n", "s"]))
    for statement in ["CREATE TABLE mine (a UInt8) ENGINE = Memory", "DROP TABLE frames", "SET readonly = 0"]:
        refused(statement, 164, lambda: client.command(statement))
    refused("a reader's file", 164, lambda: client.query("SELECT * FROM file('/etc/passwd', 'LineAsString')"))


for compress in [False, "lz4", "zstd", "gzip"]:
    client = clickhouse_connect.get_client(host=HOST, port=PORT, compress=compress)
    families(client)
    frames(client)
    questions(client)
    errors(client)
    client.close()
    client = clickhouse_connect.get_client(host=HOST, port=PORT, compress=compress, username="reader", password="reads")
    reads(client)
    client.close()
    print(f"clickhouse-connect {clickhouse_connect.__version__}, compression {compress}: well")
