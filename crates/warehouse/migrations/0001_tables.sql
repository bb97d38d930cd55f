-- One table per thing that happens. Rows are deterministic and replaced by version, so writing one
-- again changes nothing. Sort keys hold ids only; the month comes from the row's own event time.
-- Money is Decimal(18, 6) in `currency`; `_us` is microseconds; shares are in 1e-9.

CREATE TABLE IF NOT EXISTS events (
    event_id String COMMENT 'The event, as `ev_`.',
    kind LowCardinality(String) COMMENT '`click`, `impression`, `visit`, `conversion` or `identify`.',
    ts DateTime64(6, 'UTC') COMMENT 'Event time: as sent, or when it was received.',
    received_at DateTime64(6, 'UTC') COMMENT 'When the service received it.',
    visitor String COMMENT 'The visitor, as `vs_`; empty where unknown.',
    click_id String COMMENT 'The click, as `ck_`; empty where none is named.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    publisher LowCardinality(String) COMMENT 'The publisher.',
    link LowCardinality(String) COMMENT 'The tracking link.',
    offer LowCardinality(String) COMMENT 'The offer.',
    goal LowCardinality(String) COMMENT 'The goal.',
    txid String COMMENT 'The advertiser''s order id; texts that look personal are hashed.',
    amount Nullable(Decimal(18, 6)) COMMENT 'The value of a conversion; null if none was said.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    status LowCardinality(String) COMMENT 'The status a conversion report names.',
    source LowCardinality(String) COMMENT 'Where a conversion was reported from: `postback`, `pixel`, `batch`, `lead`.',
    parent String COMMENT 'The conversion that this one follows from; empty if none.',
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    person Array(String) COMMENT 'Keyed hashes of the e-mail and phone it is about.',
    sub Map(LowCardinality(String), String) COMMENT 'Sub ids `s1` to `s10`.',
    utm Map(LowCardinality(String), String) COMMENT 'The `utm_` parameters of a visit.',
    gclid String COMMENT 'Google click id.',
    gbraid String COMMENT 'Google click id of apps, to web.',
    wbraid String COMMENT 'Google click id of the web, to apps.',
    fbclid String COMMENT 'Meta click id.',
    fbc String COMMENT 'Meta click cookie.',
    fbp String COMMENT 'Meta browser cookie.',
    ttclid String COMMENT 'TikTok click id.',
    msclkid String COMMENT 'Microsoft click id.',
    landing String COMMENT 'Where a click was sent, without query and fragment.',
    page String COMMENT 'The page of a visit, without query and fragment.',
    referrer String COMMENT 'Host and path of the referrer.',
    ip_prefix String COMMENT 'The address with its last part cut: IPv4 /24, IPv6 /48.',
    ip_hash String COMMENT 'A keyed hash of the whole address.',
    device LowCardinality(String) COMMENT '`desktop`, `mobile`, `tablet` or `bot`.',
    os LowCardinality(String) COMMENT 'The operating system.',
    flags Array(LowCardinality(String)) COMMENT '`head`, `prefetch`, `bot`: not a person; `invalid_macro`, `invalid_click`, `unkeyed`: kept and not matched.',
    skew_us Nullable(Int64) COMMENT 'The client''s clock less ours, in microseconds; null if it named no time of sending.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ts) ORDER BY event_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Clicks, impressions, visits and conversion reports, as they were logged.';

CREATE TABLE IF NOT EXISTS leads (
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    publisher LowCardinality(String) COMMENT 'The publisher.',
    publisher_lead_id String COMMENT 'The publisher''s own name of the lead.',
    kind LowCardinality(String) COMMENT '`two_phase` (ping, then post) or `direct`.',
    auction_id String COMMENT 'The auction whose quote it used, or its own.',
    click_id String COMMENT 'The click, as `ck_`; empty where none is named.',
    test Bool COMMENT 'A test lead: the view leaves it out.',
    status LowCardinality(String) COMMENT '`sold`, `unsold`, `rejected`, `duplicate` or `pending`.',
    reason LowCardinality(String) COMMENT 'Why it is not sold, as a stable code.',
    payout Decimal(18, 6) COMMENT 'What the publisher gets.',
    revenue Decimal(18, 6) COMMENT 'What buyers pay.',
    margin Decimal(18, 6) COMMENT 'Revenue less payout.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    buyer LowCardinality(String) COMMENT 'Who bought it.',
    contract LowCardinality(String) COMMENT 'The contract it was sold under.',
    sale_id String COMMENT 'The sale, as `sl_`: the lead and its leg.',
    posts UInt16 COMMENT 'How often it was posted to buyers.',
    sub Map(LowCardinality(String), String) COMMENT 'Sub ids `s1` to `s10`.',
    fields Map(LowCardinality(String), String) COMMENT 'Its fields of class `open`.',
    generation String COMMENT 'The catalog generation it was decided under.',
    received_at DateTime64(6, 'UTC') COMMENT 'When the service received it.',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended; null while it has not.',
    took_us Int64 COMMENT 'How long it took, in microseconds.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.',
    INDEX publisher_lead_id publisher_lead_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(received_at) ORDER BY lead_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Leads, as they stand.';

CREATE TABLE IF NOT EXISTS posts (
    sale_id String COMMENT 'The sale, as `sl_`: the lead and its leg.',
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    leg UInt16 COMMENT 'The number of the post within its lead.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    publisher LowCardinality(String) COMMENT 'The publisher.',
    contract LowCardinality(String) COMMENT 'The contract.',
    buyer LowCardinality(String) COMMENT 'The buyer.',
    test Bool COMMENT 'A test lead: the view leaves it out.',
    price Decimal(18, 6) COMMENT 'What the buyer pays.',
    payout Decimal(18, 6) COMMENT 'What the publisher gets.',
    margin Decimal(18, 6) COMMENT 'Revenue less payout.',
    answered Decimal(18, 6) COMMENT 'The price that the answer named; 0 if it named none.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    state LowCardinality(String) COMMENT '`accepted` is a sale; `rejected`, `in_doubt`, `posting`.',
    reason LowCardinality(String) COMMENT 'Why, as a stable code; empty where there is nothing to explain.',
    flags Array(LowCardinality(String)) COMMENT '`price_changed`: the answer named another price; `negative_margin`: the payout is more than the price.',
    settled_by LowCardinality(String) COMMENT '`buyer`, `operator` or `deadline`; empty when the answer itself decided.',
    reference String COMMENT 'The buyer''s own id of the lead.',
    http_status UInt16 COMMENT 'The status of the buyer''s answer; 0 if there was none.',
    received_at DateTime64(6, 'UTC') COMMENT 'When the lead was received.',
    started_at DateTime64(6, 'UTC') COMMENT 'When it was sent.',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended; null while it has not.',
    took_us Int64 COMMENT 'How long it took, in microseconds.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(received_at) ORDER BY sale_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Posts of leads to buyers; the sales are those with state `accepted`.';

CREATE TABLE IF NOT EXISTS auctions (
    auction_id String COMMENT 'The auction, as `au_`.',
    kind LowCardinality(String) COMMENT '`ping`, `direct`, or `post` of a quote.',
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    publisher LowCardinality(String) COMMENT 'The publisher.',
    click_id String COMMENT 'The click, as `ck_`; empty where none is named.',
    test Bool COMMENT 'A test lead: the view leaves it out.',
    status LowCardinality(String) COMMENT '`quoted` or `no_bid` for a ping, else how the lead ended.',
    reason LowCardinality(String) COMMENT 'Why, as a stable code; empty where there is nothing to explain.',
    payout Decimal(18, 6) COMMENT 'What was quoted or paid.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    contracts Nested(
        contract LowCardinality(String),
        buyer LowCardinality(String),
        ping_reason LowCardinality(String),
        post_reason LowCardinality(String),
        price Decimal(18, 6)) COMMENT 'What became of each contract that passed the static part: parallel arrays.',
    excluded Map(LowCardinality(String), UInt32) COMMENT 'How many other contracts failed the static part, by reason.',
    sub Map(LowCardinality(String), String) COMMENT 'Sub ids `s1` to `s10`.',
    generation String COMMENT 'The catalog generation it was decided under.',
    told_pending Bool COMMENT 'The publisher heard `pending` because its deadline had passed.',
    ended_at DateTime64(6, 'UTC') COMMENT 'When it ended.',
    expires_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when the quote stood; null if there was none.',
    took_us Int64 COMMENT 'How long it took, in microseconds.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ended_at) ORDER BY (auction_id, kind, lead_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Runs over the book or the ladder: pings of publishers, direct posts, posts of quotes.';

CREATE TABLE IF NOT EXISTS pings (
    auction_id String COMMENT 'The auction, as `au_`.',
    contract LowCardinality(String) COMMENT 'The contract.',
    buyer LowCardinality(String) COMMENT 'The buyer.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    publisher LowCardinality(String) COMMENT 'The publisher.',
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    test Bool COMMENT 'A test lead: the view leaves it out.',
    result LowCardinality(String) COMMENT '`bid`, `no_bid`, `timeout`, `failed` or `cancelled`.',
    bid Decimal(18, 6) COMMENT 'The bid as it came; 0 if there was none.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    http_status UInt16 COMMENT 'The status of the buyer''s answer; 0 if there was none.',
    started_at DateTime64(6, 'UTC') COMMENT 'When it was sent.',
    took_us Int64 COMMENT 'How long it took, in microseconds.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(started_at) ORDER BY (auction_id, contract)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Pings to buyers.';

CREATE TABLE IF NOT EXISTS conversions (
    conversion_id String COMMENT 'The conversion, derived from its key.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    goal LowCardinality(String) COMMENT 'The goal.',
    txid String COMMENT 'The advertiser''s order id; texts that look personal are hashed.',
    click_id String COMMENT 'The click, as `ck_`; empty where none is named.',
    visitor String COMMENT 'The visitor, as `vs_`; empty where unknown.',
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    source LowCardinality(String) COMMENT 'Where it was reported from.',
    status LowCardinality(String) COMMENT '`pending`, `approved`, `held`, `rejected` or `reversed`.',
    amount Decimal(18, 6) COMMENT 'The value that was said last.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    payee LowCardinality(String) COMMENT 'Who is paid; empty if nobody.',
    payout Decimal(18, 6) COMMENT 'What the payee gets.',
    due_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the payee is to be paid, after the hold of the goal; null if nobody is.',
    touches UInt32 COMMENT 'How many touches its window holds.',
    restated UInt32 COMMENT 'How often a later report changed it.',
    merged_into String COMMENT 'The conversion that took this one over; the view leaves such rows out.',
    flags Array(LowCardinality(String)) COMMENT '`unkeyed`: nothing tells it from another; `invalid_macro`: matched with nothing; `unverified`: only a pixel said it; `repeat`: its goal counts once and another of its click or visitor counts; `too_soon`, `too_late`: the click it names, or else the last touch before it, is younger than the minimum age or older than the window; `capped`: too many events, only the first are looked at.',
    history Nested(
        event_id String,
        ts DateTime64(6, 'UTC'),
        source LowCardinality(String),
        status LowCardinality(String),
        amount Decimal(18, 6)) COMMENT 'What it was from each report on that changed it, the first and the last included; the last 100. Parallel arrays: `v_conversion_history` has a row for each.',
    ts DateTime64(6, 'UTC') COMMENT 'Time of the first report.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ts) ORDER BY conversion_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Conversions, as all their reports make them.';

CREATE TABLE IF NOT EXISTS credits (
    conversion_id String COMMENT 'The conversion.',
    model LowCardinality(String) COMMENT 'The credit model.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    goal LowCardinality(String) COMMENT 'The goal.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    ts DateTime64(6, 'UTC') COMMENT 'Time of the conversion.',
    touch Array(String) COMMENT 'The credited touches, in journey order.',
    publisher Array(LowCardinality(String)) COMMENT 'The publisher of each touch.',
    link Array(LowCardinality(String)) COMMENT 'The link of each touch.',
    share Array(UInt64) COMMENT 'The share of each touch, in 1e-9; they sum to 1.',
    value Array(Decimal(18, 6)) COMMENT 'Each touch''s part of the value; they sum to it.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(ts) ORDER BY (conversion_id, model)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Credit for conversions, one row per model; the view has one row per touch.';

CREATE TABLE IF NOT EXISTS refusals (
    request_id String COMMENT 'The request, as its answer named it: `rq_`.',
    kind LowCardinality(String) COMMENT '`ping`, `direct`, or `post` (of a quote, or of a body that could not be read).',
    campaign LowCardinality(String) COMMENT 'The campaign; empty if there is none of the name that was sent.',
    publisher LowCardinality(String) COMMENT 'The publisher; empty if the key was nobody''s.',
    publisher_lead_id String COMMENT 'The publisher''s own name of the lead; empty where it could not be read.',
    test Bool COMMENT 'It would have been a test: the view leaves it out.',
    code LowCardinality(String) COMMENT 'The problem, as a stable code.',
    status UInt16 COMMENT 'The HTTP status it was answered with: 400 to 499.',
    issues Nested(
        pointer LowCardinality(String),
        code LowCardinality(String)) COMMENT 'What was wrong, the first 32: JSON pointers, `*` for a member that there is not, and codes. Never a value.',
    issue_count UInt32 COMMENT 'How many things were wrong.',
    refused_at DateTime64(6, 'UTC') COMMENT 'When it was refused.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(refused_at) ORDER BY request_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Requests of publishers that became neither a quote nor a lead.';

-- Queue, ledger and report of what publishers are told. Of each conversion and publisher the last
-- notice only: one that was not sent when the next came was never told.
CREATE TABLE IF NOT EXISTS postbacks (
    conversion_id String COMMENT 'The conversion.',
    publisher LowCardinality(String) COMMENT 'Who is told.',
    notice_id String COMMENT 'The notice, as `nt_`: one for each change, the same in every attempt.',
    notices UInt32 COMMENT 'How many there were of this conversion for this publisher, this one included.',
    status LowCardinality(String) COMMENT 'What is told: `pending`, `approved`, `held`, `rejected` or `reversed`.',
    payout Decimal(18, 6) COMMENT 'What the publisher is told that it gets; 0 once rejected or reversed.',
    currency LowCardinality(String) COMMENT 'The currency of all amounts of the row.',
    campaign LowCardinality(String) COMMENT 'The campaign.',
    goal LowCardinality(String) COMMENT 'The goal.',
    txid String COMMENT 'The advertiser''s order id; texts that look personal are hashed.',
    click_id String COMMENT 'The click that is paid, as `ck_`; empty where none is.',
    lead_id String COMMENT 'The lead, as `ld_`; empty where there is none.',
    publisher_lead_id String COMMENT 'The publisher''s own name of the lead.',
    sub Map(LowCardinality(String), String) COMMENT 'Sub ids `s1` to `s10` of the click, or of the lead.',
    ts DateTime64(6, 'UTC') COMMENT 'Time of the conversion.',
    made_at DateTime64(6, 'UTC') COMMENT 'When the change was seen.',
    state LowCardinality(String) COMMENT '`waiting`, `told`, or `dead` after the last attempt.',
    attempts UInt32 COMMENT 'How often it was sent.',
    next_at DateTime64(6, 'UTC') COMMENT 'Not sent before.',
    http_status UInt16 COMMENT 'The last answer''s status; 0 if there was none.',
    error String COMMENT 'Why the last attempt failed; empty if it did not.',
    told_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the publisher''s server acknowledged it; null if it has not.',
    conversion_version UInt64 COMMENT 'The version of the conversion that it tells.',
    version UInt64 COMMENT 'Of two rows with one key the one with the higher version holds; the view has only that.'
) ENGINE = ReplacingMergeTree(version)
ORDER BY (conversion_id, publisher)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What publishers were told of conversions, or are about to be.';

-- Records of the log that could not be read: kept, never skipped in silence. Personal data in a
-- record is sealed, so it is sealed here as well.
CREATE TABLE IF NOT EXISTS dead_letters (
    topic LowCardinality(String) COMMENT 'The topic of the log.',
    partition UInt16 COMMENT 'The partition of the topic.',
    offset UInt64 COMMENT 'The place in the partition.',
    error String COMMENT 'What is wrong with the record.',
    payload String COMMENT 'Its bytes, in base64.'
) ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Records of the log that could not be read: kept, never skipped in silence.';
