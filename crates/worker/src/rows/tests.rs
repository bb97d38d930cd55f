//! Records in, rows out, as transcripts: columns that are empty, zero or false are left out.

use std::fmt::Write as _;

use attribution::Rules;
use domain::{LeadReason, LeadStatus, LegState};
use expect_test::{Expect, expect};
use proto::{
    Click, ContractRow, Conversion, EventBody, EventRecord, LeadBody, LeadRecord, LeadState,
    LegReply, Outcome, PingRow, Posting, Quoted, Received, Refused, RefusedIssue, Settled,
    Waterfall,
};
use serde::Serialize;
use serde_json::Value;
use store::{Identity, Journey, News, fold};

use crate::notice::Told;
use crate::rows::conversion::By;
use crate::{journey, rows, sale};

const T0: i64 = 1_800_000_000_000_000;

fn show(table: &str, row: &impl Serialize) -> String {
    let mut line = table.to_owned();
    let Value::Object(columns) = serde_json::to_value(row).unwrap() else {
        panic!("a row is a struct");
    };
    for (column, value) in columns {
        let empty = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(number) => number.as_i64() == Some(0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !empty {
            write!(line, " {column}={value}").unwrap();
        }
    }
    line + "\n"
}

fn record(n: u32, body: LeadBody) -> LeadRecord {
    LeadRecord {
        subject: vec![0x11; 16],
        n,
        at_us: T0 + i64::from(n) * 1000,
        instance: 1,
        body: Some(body),
    }
}

fn received(auction: Vec<u8>) -> LeadBody {
    LeadBody::Received(Received {
        campaign: "auto-us".into(),
        publisher: "fb-media".into(),
        auction,
        generation: "g1".into(),
        publisher_lead_id: "A-1".into(),
        sub: [("s1".into(), "fb".into())].into(),
        open_fields: [("zip".into(), "78701".into())].into(),
        sealed: b"+15125550199".to_vec(),
        ..Received::default()
    })
}

fn posting(leg: u32, price: i64, replies: Vec<LegReply>) -> LeadBody {
    LeadBody::Posting(Posting {
        leg,
        contract: format!("ct{leg}"),
        buyer: format!("by{leg}"),
        price_micros: price,
        payout_micros: price * 8 / 10,
        currency: "USD".into(),
        started_at_us: T0 + 500,
        replies,
        ..Posting::default()
    })
}

fn reply(leg: u32, state: LegState, reason: &str) -> LegReply {
    LegReply {
        leg,
        state: state.number().into(),
        reason: reason.into(),
        took_us: 700,
        http_status: 200,
        reference: format!("r{leg}"),
        ..LegReply::default()
    }
}

fn outcome(status: LeadStatus, reason: u32, replies: Vec<LegReply>) -> LeadBody {
    LeadBody::Outcome(Outcome {
        status: status.number().into(),
        reason,
        replies,
        took_us: 9000,
        waterfall: Some(waterfall()),
        ..Outcome::default()
    })
}

fn waterfall() -> Waterfall {
    Waterfall {
        contracts: vec![ContractRow {
            contract: "ct1".into(),
            buyer: "by1".into(),
            ping_reason: String::new(),
            post_reason: "won".into(),
            price_micros: 14_000_000,
        }],
        pings: vec![PingRow {
            contract: "ct1".into(),
            buyer: "by1".into(),
            result: "bid".into(),
            started_at_us: T0 + 100,
            took_us: 250,
            bid_micros: 14_000_000,
            http_status: 200,
            ..PingRow::default()
        }],
        excluded: [("paused".into(), 2)].into(),
    }
}

fn state(records: &[LeadRecord]) -> LeadState {
    let mut state = None;
    for (offset, record) in (40..).zip(records) {
        state = Some(fold::apply(state, offset, record).unwrap().0);
    }
    state.unwrap()
}

/// The rows of a lead after these records, and the conversion it is.
fn check_lead(records: &[LeadRecord], expected: &Expect) {
    let state = state(records);
    let mut out = String::new();
    if let Some((lead, posts)) = rows::lead::rows(&state).unwrap() {
        out += &show("lead", &lead);
        for post in posts {
            out += &show("post", &post);
        }
    }
    for (offset, record) in (40..).zip(records) {
        if let Some(LeadBody::Outcome(outcome)) = &record.body {
            let (auction, pings) = rows::auction::outcome(offset, record, outcome, &state).unwrap();
            out += &show("auction", &auction);
            for ping in pings {
                out += &show("ping", &ping);
            }
        }
    }
    if let Some(event) = sale::conversion(&state).unwrap() {
        out += &show("event", &rows::event::row(&event).unwrap());
    }
    assert!(!out.contains("5550199"), "sealed data is in a row");
    expected.assert_eq(&out);
}

#[test]
fn a_direct_post_that_is_sold_on_its_second_leg() {
    check_lead(
        &[
            record(0, received(vec![])),
            record(1, posting(1, 14_000_000, vec![])),
            record(
                2,
                posting(
                    2,
                    12_000_000,
                    vec![reply(1, LegState::Rejected, "buyer_rejected")],
                ),
            ),
            record(
                3,
                outcome(
                    LeadStatus::Sold,
                    0,
                    vec![reply(2, LegState::Accepted, "won")],
                ),
            ),
        ],
        &expect![[r#"
            lead auction_id="au_11111111111111111111111111111111" buyer="by2" campaign="auto-us" contract="ct2" currency="USD" ended_at=1800000000003000 fields=[["zip","78701"]] generation="g1" kind="direct" lead_id="ld_11111111111111111111111111111111" margin=2400000 payout=9600000 posts=2 publisher="fb-media" publisher_lead_id="A-1" received_at=1800000000000000 revenue=12000000 sale_id="sl_111111111111111111111111111111110002" status="sold" sub=[["s1","fb"]] took_us=9000 version=44
            post buyer="by1" campaign="auto-us" contract="ct1" currency="USD" ended_at=1800000000002000 http_status=200 lead_id="ld_11111111111111111111111111111111" leg=1 margin=2800000 payout=11200000 price=14000000 publisher="fb-media" reason="buyer_rejected" received_at=1800000000000000 reference="r1" sale_id="sl_111111111111111111111111111111110001" started_at=1800000000000500 state="rejected" took_us=700 version=44
            post buyer="by2" campaign="auto-us" contract="ct2" currency="USD" ended_at=1800000000003000 http_status=200 lead_id="ld_11111111111111111111111111111111" leg=2 margin=2400000 payout=9600000 price=12000000 publisher="fb-media" reason="won" received_at=1800000000000000 reference="r2" sale_id="sl_111111111111111111111111111111110002" started_at=1800000000000500 state="accepted" took_us=700 version=44
            auction auction_id="au_11111111111111111111111111111111" campaign="auto-us" contracts.buyer=["by1"] contracts.contract=["ct1"] contracts.ping_reason=[""] contracts.post_reason=["won"] contracts.price=[14000000] currency="USD" ended_at=1800000000003000 excluded=[["paused",2]] generation="g1" kind="direct" lead_id="ld_11111111111111111111111111111111" payout=9600000 publisher="fb-media" status="sold" sub=[["s1","fb"]] took_us=9000 version=18446744073709551572
            ping auction_id="au_11111111111111111111111111111111" bid=14000000 buyer="by1" campaign="auto-us" contract="ct1" currency="USD" http_status=200 lead_id="ld_11111111111111111111111111111111" publisher="fb-media" result="bid" started_at=1800000000000100 took_us=250 version=18446744073709551572
            event amount=12000000 campaign="auto-us" currency="USD" event_id="ev_52f08364fcc5897b8fd0305485620001" goal="lead_sold" kind="conversion" lead_id="ld_11111111111111111111111111111111" publisher="fb-media" received_at=1800000000003000 source="lead" status="approved" ts=1800000000003000 txid="ld_11111111111111111111111111111111" version=18444944073709548615
        "#]],
    );
}

#[test]
fn a_quote_whose_post_is_in_doubt_and_then_settled() {
    let unclear = LeadReason::InDoubt.number().into();
    let mut records = vec![
        record(0, received(vec![0x22; 16])),
        record(1, posting(1, 14_000_000, vec![])),
        record(
            2,
            outcome(
                LeadStatus::Pending,
                unclear,
                vec![reply(1, LegState::InDoubt, "in_doubt")],
            ),
        ),
    ];
    check_lead(
        &records,
        &expect![[r#"
            lead auction_id="au_22222222222222222222222222222222" campaign="auto-us" fields=[["zip","78701"]] generation="g1" kind="two_phase" lead_id="ld_11111111111111111111111111111111" posts=1 publisher="fb-media" publisher_lead_id="A-1" reason="in_doubt" received_at=1800000000000000 status="pending" sub=[["s1","fb"]] took_us=9000 version=43
            post buyer="by1" campaign="auto-us" contract="ct1" currency="USD" http_status=200 lead_id="ld_11111111111111111111111111111111" leg=1 margin=2800000 payout=11200000 price=14000000 publisher="fb-media" reason="in_doubt" received_at=1800000000000000 reference="r1" sale_id="sl_111111111111111111111111111111110001" started_at=1800000000000500 state="in_doubt" took_us=700 version=43
            auction auction_id="au_22222222222222222222222222222222" campaign="auto-us" contracts.buyer=["by1"] contracts.contract=["ct1"] contracts.ping_reason=[""] contracts.post_reason=["won"] contracts.price=[14000000] currency="USD" ended_at=1800000000002000 excluded=[["paused",2]] generation="g1" kind="post" lead_id="ld_11111111111111111111111111111111" publisher="fb-media" reason="in_doubt" status="pending" sub=[["s1","fb"]] took_us=9000 version=18446744073709551573
            ping auction_id="au_22222222222222222222222222222222" bid=14000000 buyer="by1" campaign="auto-us" contract="ct1" currency="USD" http_status=200 lead_id="ld_11111111111111111111111111111111" publisher="fb-media" result="bid" started_at=1800000000000100 took_us=250 version=18446744073709551573
        "#]],
    );
    let by = |accepted| Settled {
        leg: 1,
        accepted,
        by: "operator".into(),
        ..Settled::default()
    };
    records.push(record(9, LeadBody::Settled(by(true))));
    records.push(record(10, LeadBody::Settled(by(false))));
    check_lead(
        &records,
        &expect![[r#"
        lead auction_id="au_22222222222222222222222222222222" buyer="by1" campaign="auto-us" contract="ct1" currency="USD" ended_at=1800000000009000 fields=[["zip","78701"]] generation="g1" kind="two_phase" lead_id="ld_11111111111111111111111111111111" margin=2800000 payout=11200000 posts=1 publisher="fb-media" publisher_lead_id="A-1" received_at=1800000000000000 revenue=14000000 sale_id="sl_111111111111111111111111111111110001" status="sold" sub=[["s1","fb"]] took_us=9000 version=45
        post buyer="by1" campaign="auto-us" contract="ct1" currency="USD" ended_at=1800000000009000 http_status=200 lead_id="ld_11111111111111111111111111111111" leg=1 margin=2800000 payout=11200000 price=14000000 publisher="fb-media" reason="won" received_at=1800000000000000 sale_id="sl_111111111111111111111111111111110001" settled_by="operator" started_at=1800000000000500 state="accepted" took_us=700 version=45
        auction auction_id="au_22222222222222222222222222222222" campaign="auto-us" contracts.buyer=["by1"] contracts.contract=["ct1"] contracts.ping_reason=[""] contracts.post_reason=["won"] contracts.price=[14000000] currency="USD" ended_at=1800000000002000 excluded=[["paused",2]] generation="g1" kind="post" lead_id="ld_11111111111111111111111111111111" publisher="fb-media" reason="in_doubt" status="pending" sub=[["s1","fb"]] took_us=9000 version=18446744073709551573
        ping auction_id="au_22222222222222222222222222222222" bid=14000000 buyer="by1" campaign="auto-us" contract="ct1" currency="USD" http_status=200 lead_id="ld_11111111111111111111111111111111" publisher="fb-media" result="bid" started_at=1800000000000100 took_us=250 version=18446744073709551573
        event amount=14000000 campaign="auto-us" currency="USD" event_id="ev_52f08364fcc5897b8fd0305485620001" goal="lead_sold" kind="conversion" lead_id="ld_11111111111111111111111111111111" publisher="fb-media" received_at=1800000000009000 source="lead" status="approved" ts=1800000000009000 txid="ld_11111111111111111111111111111111" version=18444944073709542615
    "#]],
    );
}

#[test]
fn a_lead_has_no_row_before_its_first_record() {
    check_lead(&[record(1, posting(1, 14_000_000, vec![]))], &expect![[""]]);
}

#[test]
fn a_quote_is_an_auction() {
    let quoted = Quoted {
        campaign: "auto-us".into(),
        publisher: "fb-media".into(),
        quoted: true,
        payout_micros: 11_200_000,
        currency: "USD".into(),
        expires_at_us: T0 + 300_000_000,
        waterfall: Some(waterfall()),
        took_us: 300,
        ..Quoted::default()
    };
    let record = record(0, LeadBody::Quoted(quoted.clone()));
    let (auction, pings) = rows::auction::quoted(7, &record, &quoted).unwrap();
    let out = show("auction", &auction) + &show("ping", &pings[0]);
    expect![[r#"
        auction auction_id="au_11111111111111111111111111111111" campaign="auto-us" contracts.buyer=["by1"] contracts.contract=["ct1"] contracts.ping_reason=[""] contracts.post_reason=["won"] contracts.price=[14000000] currency="USD" ended_at=1800000000000000 excluded=[["paused",2]] expires_at=1800000300000000 kind="ping" payout=11200000 publisher="fb-media" status="quoted" took_us=300 version=18446744073709551608
        ping auction_id="au_11111111111111111111111111111111" bid=14000000 buyer="by1" campaign="auto-us" contract="ct1" currency="USD" http_status=200 publisher="fb-media" result="bid" started_at=1800000000000100 took_us=250 version=18446744073709551608
    "#]].assert_eq(&out);
}

fn event(n: u8, at: i64, click: u8, visitor: Option<u8>, body: EventBody) -> EventRecord {
    EventRecord {
        id: vec![n; 16],
        ts_us: T0 + at,
        received_us: T0 + at,
        visitor: visitor.map(|v| vec![v; 24]).unwrap_or_default(),
        click_id: vec![click; 24],
        body: Some(body),
        ..EventRecord::default()
    }
}

fn clicked(flags: Vec<String>) -> EventBody {
    EventBody::Click(Click {
        link: "fb-auto".into(),
        publisher: "fb-media".into(),
        offer: "quotes".into(),
        campaign: "auto-us".into(),
        ad_ids: [("gclid".into(), "Cj0".into())].into(),
        ip_hash: vec![0xab, 0xcd],
        flags,
        ..Click::default()
    })
}

fn converted(status: &str, amount: i64) -> EventBody {
    EventBody::Conversion(Conversion {
        campaign: "auto-us".into(),
        goal: "bound".into(),
        txid: "o-1".into(),
        amount_micros: Some(amount),
        currency: "USD".into(),
        status: status.into(),
        source: "postback".into(),
        ..Conversion::default()
    })
}

/// The rows of events and of the journey they make.
fn check_journey(identity: Identity, events: &[EventRecord], expected: &Expect) {
    let mut out = String::new();
    let mut entries = Vec::new();
    for event in events {
        out += &show("event", &rows::event::row(event).unwrap());
        for update in journey::meaning(event).unwrap().updates {
            if let News::Event(entry) = update.news {
                entries.push(entry);
            }
        }
    }
    let journey = Journey {
        identity,
        revision: 5,
        entries: entries.into(),
        counted_by: None,
        elsewhere: Vec::new(),
        beside: [].into(),
        capped: false,
    };
    let by = By {
        rules: &Rules::default(),
        told: &Told::new(),
    };
    let made = rows::conversion::rows(&journey, by).unwrap();
    let (conversions, credits) = (made.rows, made.credits);
    for conversion in conversions {
        out += &show("conversion", &conversion);
    }
    for credit in credits {
        out += &show("credit", &credit);
    }
    expected.assert_eq(&out);
}

#[test]
fn a_conversion_is_credited_to_the_last_click_that_is_no_robots() {
    let visitor = domain::VisitorId::from_bytes([9; 24]);
    check_journey(
        Identity::Visitor(visitor),
        &[
            event(1, 0, 1, Some(9), clicked(vec![])),
            event(2, 10, 2, Some(9), clicked(vec!["prefetch".into()])),
            event(3, 20, 1, None, converted("pending", 19_900_000)),
            event(4, 30, 1, None, converted("approved", 19_900_000)),
        ],
        &expect![[r#"
            event campaign="auto-us" click_id="ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" event_id="ev_01010101010101010101010101010101" gclid="Cj0" ip_hash="abcd" kind="click" link="fb-auto" offer="quotes" publisher="fb-media" received_at=1800000000000000 ts=1800000000000000 version=18444944073709551615 visitor="vs_CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ"
            event campaign="auto-us" click_id="ck_AgICAgICAgICAgICAgICAgICAgICAgIC" event_id="ev_02020202020202020202020202020202" flags=["prefetch"] gclid="Cj0" ip_hash="abcd" kind="click" link="fb-auto" offer="quotes" publisher="fb-media" received_at=1800000000000010 ts=1800000000000010 version=18444944073709551605 visitor="vs_CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ"
            event amount=19900000 campaign="auto-us" click_id="ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" currency="USD" event_id="ev_03030303030303030303030303030303" goal="bound" kind="conversion" received_at=1800000000000020 source="postback" status="pending" ts=1800000000000020 txid="o-1" version=18444944073709551595
            event amount=19900000 campaign="auto-us" click_id="ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" currency="USD" event_id="ev_04040404040404040404040404040404" goal="bound" kind="conversion" received_at=1800000000000030 source="postback" status="approved" ts=1800000000000030 txid="o-1" version=18444944073709551585
            conversion amount=19900000 campaign="auto-us" click_id="ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" due_at=1800000000000020 goal="bound" history.amount=[19900000,19900000] history.event_id=["ev_03030303030303030303030303030303","ev_04040404040404040404040404040404"] history.source=["postback","postback"] history.status=["pending","approved"] history.ts=[1800000000000020,1800000000000030] payee="fb-media" restated=1 source="postback" status="approved" touches=1 ts=1800000000000020 txid="o-1" version=844424930131973 visitor="vs_CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ"
            credit campaign="auto-us" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" link=["fb-auto"] model="last_click" publisher=["fb-media"] share=[1000000000] touch=["ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"] ts=1800000000000020 value=[19900000] version=844424930131973
            credit campaign="auto-us" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" link=["fb-auto"] model="first_click" publisher=["fb-media"] share=[1000000000] touch=["ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"] ts=1800000000000020 value=[19900000] version=844424930131973
            credit campaign="auto-us" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" link=["fb-auto"] model="linear" publisher=["fb-media"] share=[1000000000] touch=["ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"] ts=1800000000000020 value=[19900000] version=844424930131973
        "#]],
    );
}

#[test]
fn a_conversion_whose_click_is_unknown_is_kept_and_credited_to_nobody() {
    check_journey(
        Identity::Click(domain::ClickId::from_bytes([1; 24])),
        &[event(3, 20, 1, None, converted("approved", 19_900_000))],
        &expect![[r#"
            event amount=19900000 campaign="auto-us" click_id="ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" currency="USD" event_id="ev_03030303030303030303030303030303" goal="bound" kind="conversion" received_at=1800000000000020 source="postback" status="approved" ts=1800000000000020 txid="o-1" version=18444944073709551595
            conversion amount=19900000 campaign="auto-us" click_id="ck_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" history.amount=[19900000] history.event_id=["ev_03030303030303030303030303030303"] history.source=["postback"] history.status=["approved"] history.ts=[1800000000000020] source="postback" status="approved" ts=1800000000000020 txid="o-1" version=844424930131973
            credit campaign="auto-us" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" model="last_click" ts=1800000000000020 version=844424930131973
            credit campaign="auto-us" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" model="first_click" ts=1800000000000020 version=844424930131973
            credit campaign="auto-us" conversion_id="cv_4bd265d2299c80389e8da95988cbd042" currency="USD" goal="bound" model="linear" ts=1800000000000020 version=844424930131973
        "#]],
    );
}

#[test]
fn a_refused_request_has_a_row_of_its_own_and_changes_no_journey() {
    let issue = |pointer: &str, code: &str| RefusedIssue {
        pointer: pointer.into(),
        code: code.into(),
    };
    let refused = Refused {
        request_id: "rq_7".into(),
        kind: "direct".into(),
        publisher: "fb-media".into(),
        campaign: "auto-us".into(),
        publisher_lead_id: "A-7".into(),
        test: true,
        code: "invalid_lead".into(),
        status: 422,
        issues: vec![issue("/lead/zip", "invalid"), issue("/*", "unknown")],
        issue_count: 2,
    };
    let event = EventRecord {
        click_id: Vec::new(),
        ..event(1, 20, 0, None, EventBody::Refused(refused.clone()))
    };
    let meaning = journey::meaning(&event).unwrap();
    assert!(meaning.updates.is_empty() && meaning.tellings.is_empty());
    expect![[r#"
        refusal campaign="auto-us" code="invalid_lead" issue_count=2 issues.code=["invalid","unknown"] issues.pointer=["/lead/zip","/*"] kind="direct" publisher="fb-media" publisher_lead_id="A-7" refused_at=1800000000000020 request_id="rq_7" status=422 test=true version=1
    "#]].assert_eq(&show(
        "refusal",
        &rows::refusal::row(&event, &refused).unwrap(),
    ));
}
