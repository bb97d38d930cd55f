-- What analysts read: each row once, in its last version, and no test leads. Those are in the tables.

CREATE OR REPLACE VIEW v_events AS SELECT * FROM events FINAL;

CREATE OR REPLACE VIEW v_leads AS SELECT * FROM leads FINAL WHERE NOT test;

CREATE OR REPLACE VIEW v_posts AS SELECT * FROM posts FINAL WHERE NOT test;

CREATE OR REPLACE VIEW v_auctions AS SELECT * FROM auctions FINAL WHERE NOT test;

CREATE OR REPLACE VIEW v_pings AS SELECT * FROM pings FINAL WHERE NOT test;

-- An order that was reported without a click first, and with one later, is the conversion of the click.
CREATE OR REPLACE VIEW v_conversions AS SELECT * FROM conversions FINAL WHERE merged_into = '';

-- What conversions were: one row for each report that changed one. `number` counts from 1; the last is
-- what the conversion is now.
CREATE OR REPLACE VIEW v_conversion_history AS
SELECT
    conversion_id, campaign, goal, txid, currency,
    toUInt32(restated + 1 - length(history.ts) + nth) AS number, toUInt32(restated + 1) AS numbers,
    said.1 AS event_id, said.2 AS ts, said.3 AS source, said.4 AS status, said.5 AS amount, version
FROM conversions FINAL
ARRAY JOIN
    arrayEnumerate(history.ts) AS nth,
    arrayZip(history.event_id, history.ts, history.source, history.status, history.amount) AS said
WHERE merged_into = ''
COMMENT 'What conversions were: one row for each report that changed one. `number` counts from 1 to `numbers`, which is what the conversion is now.';

-- Who is to be paid: one row a conversion. `state` is `due`, or what it waits for: the advertiser
-- (`pending`), the end of the hold (`held`).
CREATE OR REPLACE VIEW v_payables AS
SELECT
    conversion_id, campaign, goal, txid, lead_id, payee, payout, currency, due_at,
    multiIf(status = 'pending', 'pending', status = 'held' AND due_at > now64(6), 'held', 'due') AS state,
    ts, version
FROM conversions FINAL
WHERE merged_into = '' AND payee != '' AND status NOT IN ('rejected', 'reversed')
COMMENT 'Who is to be paid: one row a conversion. `state` is `due`, or what it waits for: `pending` the advertiser, `held` the end of its hold.';

-- One row per (conversion, model, touch).
CREATE OR REPLACE VIEW v_credits AS
SELECT
    conversion_id, model, campaign, goal, currency, ts,
    part.1 AS touch, part.2 AS publisher, part.3 AS link, part.4 AS share, part.5 AS value, version
FROM
(
    SELECT * EXCEPT (touch, publisher, link, share, value),
        arrayZip(touch, publisher, link, share, value) AS parts
    FROM credits FINAL
)
ARRAY JOIN parts AS part;

CREATE OR REPLACE VIEW v_refusals AS SELECT * FROM refusals FINAL WHERE NOT test;

CREATE OR REPLACE VIEW v_postbacks AS SELECT * FROM postbacks FINAL;

CREATE OR REPLACE VIEW v_dead_letters AS SELECT * FROM dead_letters FINAL;
