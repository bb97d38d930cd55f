-- One table per thing that happens. Rows are deterministic and replaced by version, so writing one
-- again changes nothing. Sort keys hold ids only; the month comes from the row's own event time.
-- Money is Decimal(18, 6) in `currency`; `_us` is microseconds; shares are in 1e-9.

CREATE TABLE IF NOT EXISTS events (
    event_id String,
    kind LowCardinality(String),
    ts DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    visitor String,
    click_id String,
    campaign LowCardinality(String),
    publisher LowCardinality(String),
    link LowCardinality(String),
    offer LowCardinality(String),
    goal LowCardinality(String),
    txid String,
    amount Nullable(Decimal(18, 6)),
    currency LowCardinality(String),
    status LowCardinality(String),
    source LowCardinality(String),
    parent String,
    lead_id String,
    person Array(String),
    sub Map(LowCardinality(String), String),
    utm Map(LowCardinality(String), String),
    gclid String,
    gbraid String,
    wbraid String,
    fbclid String,
    fbc String,
    fbp String,
    ttclid String,
    msclkid String,
    landing String,
    page String,
    referrer String,
    ip_prefix String,
    ip_hash String,
    device LowCardinality(String),
    os LowCardinality(String),
    flags Array(LowCardinality(String)),
    skew_us Nullable(Int64),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ts) ORDER BY event_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS leads (
    lead_id String,
    campaign LowCardinality(String),
    publisher LowCardinality(String),
    publisher_lead_id String,
    kind LowCardinality(String),
    auction_id String,
    click_id String,
    test Bool,
    status LowCardinality(String),
    reason LowCardinality(String),
    payout Decimal(18, 6),
    revenue Decimal(18, 6),
    margin Decimal(18, 6),
    currency LowCardinality(String),
    buyer LowCardinality(String),
    contract LowCardinality(String),
    sale_id String,
    posts UInt16,
    sub Map(LowCardinality(String), String),
    fields Map(LowCardinality(String), String),
    generation String,
    received_at DateTime64(6, 'UTC'),
    ended_at Nullable(DateTime64(6, 'UTC')),
    took_us Int64,
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(received_at) ORDER BY lead_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS posts (
    sale_id String,
    lead_id String,
    leg UInt16,
    campaign LowCardinality(String),
    publisher LowCardinality(String),
    contract LowCardinality(String),
    buyer LowCardinality(String),
    test Bool,
    price Decimal(18, 6),
    payout Decimal(18, 6),
    margin Decimal(18, 6),
    answered Decimal(18, 6),
    currency LowCardinality(String),
    state LowCardinality(String),
    reason LowCardinality(String),
    flags Array(LowCardinality(String)),
    settled_by LowCardinality(String),
    reference String,
    http_status UInt16,
    received_at DateTime64(6, 'UTC'),
    started_at DateTime64(6, 'UTC'),
    ended_at Nullable(DateTime64(6, 'UTC')),
    took_us Int64,
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(received_at) ORDER BY sale_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS auctions (
    auction_id String,
    kind LowCardinality(String),
    lead_id String,
    campaign LowCardinality(String),
    publisher LowCardinality(String),
    click_id String,
    test Bool,
    status LowCardinality(String),
    reason LowCardinality(String),
    payout Decimal(18, 6),
    currency LowCardinality(String),
    contracts Nested(
        contract LowCardinality(String),
        buyer LowCardinality(String),
        ping_reason LowCardinality(String),
        post_reason LowCardinality(String),
        price Decimal(18, 6)),
    excluded Map(LowCardinality(String), UInt32),
    sub Map(LowCardinality(String), String),
    generation String,
    told_pending Bool,
    ended_at DateTime64(6, 'UTC'),
    expires_at Nullable(DateTime64(6, 'UTC')),
    took_us Int64,
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ended_at) ORDER BY (auction_id, kind, lead_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS pings (
    auction_id String,
    contract LowCardinality(String),
    buyer LowCardinality(String),
    campaign LowCardinality(String),
    publisher LowCardinality(String),
    lead_id String,
    test Bool,
    result LowCardinality(String),
    bid Decimal(18, 6),
    currency LowCardinality(String),
    http_status UInt16,
    started_at DateTime64(6, 'UTC'),
    took_us Int64,
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(started_at) ORDER BY (auction_id, contract)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS conversions (
    conversion_id String,
    campaign LowCardinality(String),
    goal LowCardinality(String),
    txid String,
    click_id String,
    visitor String,
    lead_id String,
    source LowCardinality(String),
    status LowCardinality(String),
    amount Decimal(18, 6),
    currency LowCardinality(String),
    payee LowCardinality(String),
    payout Decimal(18, 6),
    due_at Nullable(DateTime64(6, 'UTC')),
    touches UInt32,
    restated UInt32,
    merged_into String,
    flags Array(LowCardinality(String)),
    ts DateTime64(6, 'UTC'),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ts) ORDER BY conversion_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS credits (
    conversion_id String,
    model LowCardinality(String),
    campaign LowCardinality(String),
    goal LowCardinality(String),
    currency LowCardinality(String),
    ts DateTime64(6, 'UTC'),
    touch Array(String),
    publisher Array(LowCardinality(String)),
    link Array(LowCardinality(String)),
    share Array(UInt64),
    value Array(Decimal(18, 6)),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ts) ORDER BY (conversion_id, model)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Records of the log that could not be read: kept, never skipped in silence. Personal data in a
-- record is sealed, so it is sealed here as well.
CREATE TABLE IF NOT EXISTS dead_letters (
    topic LowCardinality(String),
    partition UInt16,
    offset UInt64,
    error String,
    payload String
) ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
