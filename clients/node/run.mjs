// @clickhouse/client, unmodified, against `gavel clickhouse`: node run.mjs URL

import assert from 'node:assert/strict'
import { createClient } from '@clickhouse/client'

const url = process.argv[2]

// One column a family of types: its type, and a value as JSONEachRow has it.
const families = {
  i8: ['Int8', -128],
  i16: ['Int16', -32768],
  i32: ['Int32', -2147483648],
  i64: ['Int64', '-9223372036854775808'],
  i256: ['Int256', '-57896044618658097711785492504343953926634992332820282019728792003956564819968'],
  u8: ['UInt8', 255],
  u16: ['UInt16', 65535],
  u32: ['UInt32', 4294967295],
  u64: ['UInt64', '18446744073709551615'],
  u128: ['UInt128', '340282366920938463463374607431768211455'],
  f32: ['Float32', 1.5],
  i128: ['Int128', '-170141183460469231731687303715884105728'],
  u256: ['UInt256', '115792089237316195423570985008687907853269984665640564039457584007913129639935'],
  f64: ['Float64', -0.5],
  boolean: ['Bool', true],
  d32: ['Decimal(9, 2)', '-1234567.89'],
  d256: ['Decimal(76, 10)', '123456789012345678901234567890.0123456789'],
  text: ['String', 'a\tb\n\\\'ü'],
  fixed: ['FixedString(4)', 'abcd'],
  day: ['Date', '2149-06-06'],
  day32: ['Date32', '1900-01-01'],
  at: ["DateTime('UTC')", '2026-01-02 03:04:05'],
  at64: ["DateTime64(6, 'UTC')", '2026-01-02 03:04:05.678901'],
  id: ['UUID', '61f0c404-5cb3-11e7-907b-a6006ad3dba0'],
  v4: ['IPv4', '127.0.0.1'],
  v6: ['IPv6', '2001:db8::1'],
  enum: ["Enum8('a' = 1, 'b' = -2)", 'b'],
  list: ['Array(Array(Int32))', [[1, 2], []]],
  map: ['Map(String, String)', { a: '1', b: '2' }],
  tuple: ['Tuple(a Int32, b String)', { a: 1, b: 'x' }],
  nothing: ['Nullable(Int64)', null],
  low: ['LowCardinality(Nullable(String))', 'few'],
  json: ['JSON', { a: { b: 'c' } }],
  variant: ['Variant(String, UInt64)', 'either'],
  dynamic: ['Dynamic', 'anything'],
}

async function types(client) {
  const columns = Object.entries(families).map(([name, [type]]) => `${name} ${type}`)
  const query = `CREATE OR REPLACE TABLE families (${columns.join(', ')}) ENGINE = MergeTree ORDER BY tuple()`
  await client.command({ query })
  const row = Object.fromEntries(Object.entries(families).map(([name, [, value]]) => [name, value]))
  await client.insert({ table: 'families', values: [row], format: 'JSONEachRow' })
  const clickhouse_settings = {
    output_format_json_quote_64bit_integers: 1,
    output_format_json_quote_decimals: 1,
  }
  const found = await client.query({ query: 'SELECT * FROM families', format: 'JSONEachRow', clickhouse_settings })
  assert.deepEqual(await found.json(), [row])
}

async function streams(client) {
  await client.command({ query: 'CREATE OR REPLACE TABLE streams (n UInt32) ENGINE = MergeTree ORDER BY n' })
  const { Readable } = await import('node:stream')
  const rows = (function* () { for (let n = 0; n < 100_000; n++) yield { n } })()
  await client.insert({ table: 'streams', values: Readable.from(rows, { objectMode: true }), format: 'JSONEachRow' })
  let count = 0
  const select = await client.query({ query: 'SELECT n FROM streams', format: 'JSONCompactEachRow' })
  for await (const part of select.stream()) count += part.length
  assert.equal(count, 100_000)
  const whole = await client.query({ query: 'SELECT {n:UInt8} AS n, {s:String} AS s', query_params: { n: 7, s: "it's \\ \t" } })
  const json = await whole.json()
  assert.deepEqual(json.data, [{ n: 7, s: "it's \\ \t" }])
  assert.equal(json.rows, 1)
}

async function abort(client) {
  const controller = new AbortController()
  const query = 'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 7'
  const endless = client.query({ query, abort_signal: controller.signal })
  const running = async () => {
    const asked = "SELECT count() AS n FROM system.processes WHERE query LIKE '%= 7%' AND query NOT LIKE '%processes%'"
    const found = await client.query({ query: asked, format: 'JSONEachRow' })
    return Number((await found.json())[0].n)
  }
  while ((await running()) === 0) ;
  controller.abort()
  await assert.rejects(endless)
  const limit = Date.now() + 10_000
  while ((await running()) > 0) assert.ok(Date.now() < limit, 'an aborted query goes on')
}

async function errors(client, compression) {
  await assert.rejects(client.query({ query: 'SELECT nope' }), { code: '47', type: 'UNKNOWN_IDENTIFIER' })
  await assert.rejects(client.insert({ table: 'nowhere', values: [{ a: 1 }], format: 'JSONEachRow' }), { code: '60' })
  const late = async () => {
    // The pause lets the client read what came before the error: as the connection is cut it gives up what it has not.
    const query = 'SELECT throwIf(number = 400000) FROM numbers(1000000) WHERE sleep(0.3) = 0'
    const select = await client.query({ query, format: 'JSONEachRow' })
    for await (const _ of select.stream()) ;
  }
  // Of a compressed result it may have given up what was left to decompress.
  await assert.rejects(late, compression ? /throwIf|aborted/ : { code: '395' })
  assert.ok((await client.ping()).success)
}

async function reads(client) {
  const families = await client.query({ query: 'SELECT * FROM families', format: 'JSONEachRow' })
  assert.equal((await families.json())[0].dynamic, 'anything')
  const given = await client.query({ query: 'SELECT {n:UInt8} AS n', query_params: { n: 7 }, format: 'JSONEachRow' })
  assert.deepEqual(await given.json(), [{ n: 7 }])
  let count = 0
  const select = await client.query({ query: 'SELECT n FROM streams', format: 'JSONCompactEachRow' })
  for await (const part of select.stream()) count += part.length
  assert.equal(count, 100_000)
  const refused = { code: '164', type: 'READONLY' }
  await assert.rejects(client.insert({ table: 'streams', values: [{ n: 1 }], format: 'JSONEachRow' }), refused)
  for (const query of ['CREATE TABLE mine (a UInt8) ENGINE = Memory', 'DROP TABLE streams', 'SET readonly = 0']) {
    await assert.rejects(client.command({ query }), refused)
  }
  await assert.rejects(client.query({ query: "SELECT * FROM file('/etc/passwd', 'LineAsString')" }), refused)
}

for (const compression of [false, true]) {
  const client = createClient({
    url,
    compression: { request: compression, response: compression },
    session_id: compression ? undefined : 'node',
    max_open_connections: compression ? 10 : 1,
  })
  await types(client)
  await streams(client)
  await errors(client, compression)
  if (compression) await abort(client)
  await client.close()
  const reader = createClient({
    url,
    username: 'reader',
    password: 'reads',
    compression: { request: compression, response: compression },
  })
  await reads(reader)
  await reader.close()
  console.log(`@clickhouse/client, compression ${compression}: well`)
}
