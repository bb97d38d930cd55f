//! Keys, restatements and windows, case by case.

use std::time::Duration;

use attribution::{
    ConversionEvent, GoalRules, Journey, Missed, Parent, Pay, Rules, Touch, TouchKind, Views,
    WHOLE, Windows,
};
use domain::{ClickId, ConversionStatus, Currency, EventId, Micros, Ppm, Timestamp, VisitorId};

const DAY: i64 = 86_400_000_000;

fn touch(n: u8, at: i64) -> Touch {
    Touch {
        at: Timestamp::from_micros(at),
        id: EventId::from_bytes([n; 16]),
        kind: TouchKind::Click,
        click: Some(ClickId::from_bytes([n; 24])),
        publisher: format!("p{n}"),
        link: "l".into(),
        campaign: "auto-us".into(),
    }
}

fn event(n: u8, at: i64, clicked: Option<u8>, txid: Option<&str>) -> ConversionEvent {
    ConversionEvent {
        at: Timestamp::from_micros(at),
        id: EventId::from_bytes([n; 16]),
        click: clicked.map(|c| ClickId::from_bytes([c; 24])),
        visitor: None,
        campaign: "auto-us".into(),
        goal: "bound".into(),
        txid: txid.map(str::to_owned),
        status: ConversionStatus::Approved,
        amount: Some(Micros::new(10_000_000)),
        currency: Some(Currency::USD),
        source: "postback".into(),
        lead: None,
        payee: None,
        payout: Micros::ZERO,
        named: false,
        invalid_macro: false,
        unverified: false,
        once: false,
        parent: None,
    }
}

/// How many conversions these events are.
fn count<const N: usize>(events: [ConversionEvent; N]) -> usize {
    Journey::new([], events).conversions().len()
}

#[test]
fn a_key_is_click_goal_and_order() {
    assert_eq!(
        count([
            event(1, 0, Some(1), Some("a")),
            event(2, 1, Some(1), Some("a"))
        ]),
        1
    );
    assert_eq!(
        count([
            event(1, 0, Some(1), Some("a")),
            event(2, 1, Some(1), Some("b"))
        ]),
        2
    );
    assert_eq!(
        count([
            event(1, 0, Some(1), Some("a")),
            event(2, 1, Some(2), Some("a"))
        ]),
        2
    );
    let other_goal = ConversionEvent {
        goal: "sale".into(),
        ..event(2, 1, Some(1), Some("a"))
    };
    assert_eq!(count([event(1, 0, Some(1), Some("a")), other_goal]), 2);
}

#[test]
fn an_order_without_a_click_joins_the_clicked_one_whichever_came_first() {
    let clicked = event(1, 5, Some(1), Some("a"));
    for at in [0, 9] {
        let events = [event(2, at, None, Some("a")), clicked.clone()];
        let journey = Journey::new([], events);
        assert_eq!(journey.conversions().len(), 1);
        assert_eq!(journey.conversions()[0].click, clicked.click);
        let alone = Journey::new([], [clicked.clone()]);
        assert_eq!(journey.conversions()[0].id, alone.conversions()[0].id);
    }
    assert_eq!(count([event(2, 0, None, Some("b")), clicked]), 2);
}

#[test]
fn without_an_order_a_click_or_a_visitor_converts_once() {
    assert_eq!(
        count([event(1, 0, Some(1), None), event(2, 1, Some(1), None)]),
        1
    );
    let visited = |n| ConversionEvent {
        visitor: Some(VisitorId::from_bytes([1; 24])),
        ..event(n, i64::from(n), None, None)
    };
    assert_eq!(count([visited(1), visited(2)]), 1);
    assert_eq!(count([event(1, 0, None, None), event(2, 1, None, None)]), 2);
    let mangled = |n| ConversionEvent {
        invalid_macro: true,
        ..event(n, 0, Some(1), Some("a"))
    };
    assert_eq!(count([mangled(1), mangled(2)]), 2);
}

/// A pixel of the order before and after the advertiser's server spoke, in any order of arrival.
#[test]
fn what_anybody_may_have_said_changes_nothing_that_was_said_otherwise() {
    let pixel = |n, at| ConversionEvent {
        status: ConversionStatus::Pending,
        amount: Some(Micros::new(99_000_000)),
        unverified: true,
        ..event(n, at, Some(1), Some("a"))
    };
    let first = Journey::new([], [pixel(1, 1)]);
    assert_eq!(first.conversions()[0].status, ConversionStatus::Pending);
    for events in [
        [pixel(1, 1), event(2, 5, Some(1), Some("a")), pixel(3, 9)],
        [pixel(3, 9), event(2, 5, Some(1), Some("a")), pixel(1, 1)],
    ] {
        let journey = Journey::new([], events);
        let [conversion] = journey.conversions() else {
            panic!("not one conversion")
        };
        assert_eq!(conversion.status, ConversionStatus::Approved);
        assert_eq!(conversion.amount, Micros::new(10_000_000));
        assert_eq!(conversion.restated, 1);
    }
}

/// Orders a, b, c of one click, whose goal counts once: the first that was not taken back is paid.
#[test]
fn a_goal_that_counts_once_counts_the_first_that_was_not_taken_back() {
    let once = |n, at, txid| ConversionEvent {
        once: true,
        ..event(n, at, Some(1), Some(txid))
    };
    let pixel = |n, at, txid| ConversionEvent {
        unverified: true,
        ..once(n, at, txid)
    };
    let reversed = ConversionEvent {
        status: ConversionStatus::Reversed,
        ..once(9, 90, "a")
    };
    let paid = |events: &[ConversionEvent]| {
        let journey = Journey::new([touch(1, 0)], events.to_vec());
        let rules = Rules::default();
        let mut all = Vec::new();
        for conversion in journey.conversions() {
            let paid = rules.payable(&journey, conversion).is_some();
            let credits = journey.credits(conversion, &Windows::default());
            assert!(credits.iter().all(|credit| credit.parts.is_empty() != paid));
            assert_eq!(paid, conversion.counts());
            all.push((conversion.txid.clone().unwrap(), paid));
        }
        all.sort();
        let paid = all.into_iter().filter(|(_, paid)| *paid);
        paid.map(|(txid, _)| txid).collect::<Vec<_>>()
    };
    let (a, b, c) = (once(1, 1, "a"), once(2, 5, "b"), once(3, 7, "c"));
    assert_eq!(paid(&[c.clone(), b.clone(), a.clone()]), ["a"]);
    assert_eq!(paid(&[a.clone(), b.clone(), c.clone(), reversed]), ["b"]);
    // A pixel was first, and takes nothing from what a server said.
    assert_eq!(paid(&[pixel(4, 0, "p"), c.clone(), b.clone()]), ["b"]);
    assert_eq!(paid(&[pixel(5, 1, "q"), pixel(4, 0, "p")]), ["p"]);
    // One whose goal counts every order stands beside them.
    let every = event(6, 0, Some(1), Some("e"));
    assert_eq!(paid(&[every, b, c.clone()]), ["b", "e"]);
    // Another click's, and without a click another visitor's.
    let other = ConversionEvent {
        click: Some(ClickId::from_bytes([2; 24])),
        ..once(7, 0, "o")
    };
    assert_eq!(paid(&[other, c]), ["c", "o"]);
    let of = |visitor, n, txid| ConversionEvent {
        click: None,
        visitor: Some(VisitorId::from_bytes([visitor; 24])),
        ..once(n, i64::from(n), txid)
    };
    let orders = [of(1, 1, "x"), of(1, 2, "y"), of(2, 3, "z")];
    assert_eq!(paid(&orders), ["x", "z"]);
    // Of others beside them too.
    let [x, y, z] = orders;
    let journey = Journey::beside([], [y, z], [x]);
    let repeats = journey
        .conversions()
        .iter()
        .map(|conversion| conversion.repeat);
    assert_eq!(repeats.filter(|repeat| *repeat).count(), 1);
}

#[test]
fn a_change_restates_and_a_repetition_does_not() {
    let rejected = ConversionEvent {
        status: ConversionStatus::Rejected,
        amount: None,
        ..event(3, 9, Some(1), Some("a"))
    };
    let events = [
        event(1, 1, Some(1), Some("a")),
        event(2, 5, Some(1), Some("a")),
        rejected,
    ];
    let journey = Journey::new([touch(1, 0)], events);
    let conversion = &journey.conversions()[0];
    assert_eq!(conversion.restated, 1);
    let versions = conversion.versions.iter();
    let versions = versions.map(|version| (version.at.as_micros(), version.status, version.amount));
    let worth = Micros::new(10_000_000);
    assert_eq!(
        versions.collect::<Vec<_>>(),
        [
            (1, ConversionStatus::Approved, worth),
            (9, ConversionStatus::Rejected, worth)
        ]
    );
    assert_eq!(conversion.at, Timestamp::from_micros(1));
    assert_eq!(conversion.status, ConversionStatus::Rejected);
    assert_eq!(conversion.amount, Micros::new(10_000_000));
    assert!(
        journey.credits(conversion, &Windows::default())[0]
            .parts
            .is_empty()
    );
    assert_eq!(Rules::default().payable(&journey, conversion), None);
}

#[test]
fn the_last_click_inside_thirty_days_gets_it_all() {
    let journey = |touches: Vec<Touch>| Journey::new(touches, [event(9, 40 * DAY, Some(1), None)]);
    let credited = |touches| {
        let journey = journey(touches);
        let conversion = &journey.conversions()[0];
        let credits = journey.credits(conversion, &Windows::default());
        let payee = Rules::default().payable(&journey, conversion);
        let payee = payee.map(|payable| payable.payee);
        assert_eq!(credits[0].model, "last_click");
        (
            credits[0]
                .parts
                .iter()
                .map(|part| part.touch.name())
                .collect::<Vec<_>>(),
            payee,
        )
    };
    let (one, two) = (touch(1, 0), touch(2, 0));
    assert_eq!(
        credited(vec![
            touch(1, 12 * DAY),
            touch(2, 39 * DAY),
            touch(3, 40 * DAY + 1)
        ]),
        (vec![two.name()], Some("p2".to_owned()))
    );
    assert_eq!(credited(vec![touch(1, 10 * DAY)]).0, vec![one.name()]);
    assert_eq!(credited(vec![touch(1, 10 * DAY - 1)]), (vec![], None));
    assert_eq!(
        Windows::default().click_through,
        Duration::from_secs(30 * 86_400)
    );
}

#[test]
fn an_id_derives_from_the_key_alone() {
    let journey = Journey::new([], [event(1, 0, Some(1), Some("a"))]);
    assert_eq!(
        journey.conversions()[0].id.to_string(),
        Journey::new([], [event(7, 77, Some(1), Some("a"))]).conversions()[0]
            .id
            .to_string()
    );
}

fn view(n: u8, at: i64) -> Touch {
    Touch {
        kind: TouchKind::View,
        click: None,
        ..touch(n, at)
    }
}

/// `publisher=share` of each touch that each model credits, for a conversion on day 40.
fn shares(touches: &[Touch], windows: &Windows) -> Vec<(&'static str, Vec<(String, u64)>)> {
    let journey = Journey::new(touches.to_vec(), [event(9, 40 * DAY, Some(1), None)]);
    let credits = journey.credits(&journey.conversions()[0], windows);
    let part = |part: &attribution::CreditPart<'_>| (part.touch.publisher.clone(), part.share);
    credits
        .iter()
        .map(|credit| (credit.model, credit.parts.iter().map(part).collect()))
        .collect()
}

fn all(publisher: &str) -> Vec<(String, u64)> {
    vec![(publisher.to_owned(), WHOLE.unsigned_abs())]
}

#[test]
fn the_first_gets_all_and_linear_the_same_to_each_to_the_unit() {
    let touches = [touch(1, 20 * DAY), touch(2, 30 * DAY), touch(3, 39 * DAY)];
    let third = |n: u8, share| (format!("p{n}"), share);
    assert_eq!(
        shares(&touches, &Windows::default()),
        vec![
            ("last_click", all("p3")),
            ("first_click", all("p1")),
            (
                "linear",
                vec![
                    third(1, 333_333_334),
                    third(2, 333_333_333),
                    third(3, 333_333_333)
                ]
            ),
        ]
    );
}

#[test]
fn a_view_counts_where_no_click_does_and_is_shared_with_only_if_asked() {
    let windows = Windows::default();
    let seen = [view(1, 39 * DAY), view(2, 40 * DAY - 1)];
    assert_eq!(
        shares(&seen, &windows),
        vec![
            ("last_click", all("p2")),
            ("first_click", all("p1")),
            ("linear", vec![])
        ]
    );
    let older = [view(1, 39 * DAY - 1)];
    assert_eq!(shares(&older, &windows)[0].1, vec![], "a day by default");
    let clicked = [touch(3, 20 * DAY), view(1, 39 * DAY)];
    assert_eq!(
        shares(&clicked, &windows),
        vec![
            ("last_click", all("p3")),
            ("first_click", all("p3")),
            ("linear", all("p3"))
        ]
    );
    let include = Windows {
        views: Views::Include,
        ..windows
    };
    let halves = vec![
        ("p3".to_owned(), 500_000_000),
        ("p1".to_owned(), 500_000_000),
    ];
    assert_eq!(shares(&clicked, &include)[2].1, halves);
}

#[test]
fn a_touch_that_is_too_young_is_not_credited() {
    let windows = Windows {
        minimum_age: Duration::from_secs(10),
        ..Windows::default()
    };
    let second = 1_000_000;
    let touches = [
        touch(1, 40 * DAY - 10 * second),
        touch(2, 40 * DAY - 9 * second),
    ];
    assert_eq!(shares(&touches, &windows)[0].1, all("p1"));
}

#[test]
fn one_conversion_has_one_payee_who_gets_what_link_goal_or_lead_say() {
    let goal = |pay| GoalRules {
        pay: Some(pay),
        hold: Duration::from_secs(5 * 86_400),
        ..GoalRules::default()
    };
    let quarter = Pay::Share(Ppm::new(250_000).unwrap());
    let mut rules = Rules {
        goals: [(("auto-us".into(), "bound".into()), goal(quarter))].into(),
        ..Rules::default()
    };
    let paid = |rules: &Rules, event: ConversionEvent| {
        let journey = Journey::new([touch(1, 0), touch(2, DAY)], [event]);
        let payable = rules.payable(&journey, &journey.conversions()[0])?;
        Some((
            payable.payee,
            payable.payout.get(),
            payable.due.as_micros() / DAY,
        ))
    };
    let bound = event(9, 2 * DAY, Some(1), None);
    let p2 = |payout, day| Some(("p2".to_owned(), payout, day));
    assert_eq!(paid(&rules, bound.clone()), p2(2_500_000, 7));
    let own = Pay::Fixed(Micros::new(3));
    rules.links.insert(("l".into(), "bound".into()), own);
    assert_eq!(paid(&rules, bound), p2(3, 7));
    let lead = ConversionEvent {
        goal: "lead_sold".into(),
        payee: Some("poster".into()),
        payout: Micros::new(8),
        ..event(9, 2 * DAY, Some(1), None)
    };
    assert_eq!(
        paid(&rules, lead.clone()),
        Some(("poster".to_owned(), 8, 2))
    );
    rules
        .click_owners
        .insert(("auto-us".into(), "poster".into()));
    assert_eq!(paid(&rules, lead), p2(8, 2));
    let nobody = event(9, -DAY, Some(1), None);
    assert_eq!(paid(&rules, nobody), None);
}

/// A policy that is bound 45 days after its lead was sold is paid and credited as of the lead.
#[test]
fn what_follows_from_a_conversion_inherits_its_journey_window_and_payee() {
    let lead = ConversionEvent {
        goal: "lead_sold".into(),
        payee: Some("poster".into()),
        payout: Micros::new(8),
        ..event(1, 2 * DAY, Some(1), Some("ld"))
    };
    let bound = ConversionEvent {
        parent: Some(Parent {
            goal: "lead_sold".into(),
            txid: "ld".into(),
        }),
        ..event(2, 47 * DAY, Some(1), Some("policy"))
    };
    let touches = [touch(1, DAY), touch(2, 46 * DAY)];
    let mut rules = Rules::default();
    let goal = ("auto-us".to_owned(), "bound".to_owned());
    rules.goals.entry(goal).or_default().pay = Some(Pay::Fixed(Micros::new(5)));
    let made = |events: &[ConversionEvent], rules: &Rules| {
        let journey = Journey::new(touches.clone(), events.iter().cloned());
        let mut all = journey.conversions().iter();
        let bound = all.find(|one| one.goal == "bound").unwrap();
        let credited = journey.touches_of(bound, &rules.windows(bound));
        let credited: Vec<_> = credited.iter().map(|touch| touch.at).collect();
        let paid = rules.payable(&journey, bound);
        (credited, paid.map(|paid| (paid.payee, paid.payout.get())))
    };
    let of_lead = vec![touches[0].at];
    let both = [bound.clone(), lead];
    assert_eq!(
        made(&both, &rules),
        (of_lead.clone(), Some(("poster".to_owned(), 5)))
    );
    let owner = ("auto-us".to_owned(), "poster".to_owned());
    rules.click_owners.insert(owner);
    let first = touches[0].publisher.clone();
    assert_eq!(made(&both, &rules), (of_lead, Some((first, 5))));
    // As long as the lead is not there, nobody has led to it.
    assert_eq!(made(&[bound], &rules), (Vec::new(), None));
}

/// What a conversion comes from is named where it may not be credited.
#[test]
fn a_conversion_too_soon_after_its_click_or_too_late_says_so() {
    let windows = Windows {
        minimum_age: Duration::from_secs(5),
        ..Windows::default()
    };
    let second = DAY / 86_400;
    let at = 40 * DAY;
    let missed = |touches: &[Touch], clicked| {
        let journey = Journey::new(touches.to_vec(), [event(9, at, clicked, Some("a"))]);
        let conversion = &journey.conversions()[0];
        let missed = journey.missed(conversion, &windows);
        (missed, journey.touches_of(conversion, &windows).len())
    };
    let (old, young) = (touch(1, at - 31 * DAY), touch(2, at - 5 * second + 1));
    let good = touch(3, at - 5 * second);
    let all = [old, young, good, touch(4, at + 1)];
    assert_eq!(missed(&all, Some(1)), (Some(Missed::TooLate), 1));
    assert_eq!(missed(&all, Some(2)), (Some(Missed::TooSoon), 1));
    assert_eq!(missed(&all, Some(3)), (None, 1));
    assert_eq!(missed(&all, Some(4)), (None, 1), "it was not before");
    assert_eq!(missed(&all, Some(5)), (None, 1), "nobody has seen it");
    // Without a click it is the last touch before.
    assert_eq!(missed(&all, None), (Some(Missed::TooSoon), 1));
    assert_eq!(missed(&all[..1], None), (Some(Missed::TooLate), 0));
    assert_eq!(
        missed(&[view(1, at - 2 * DAY)], None),
        (Some(Missed::TooLate), 0)
    );
    assert_eq!(missed(&[], None), (None, 0));
}

#[test]
fn the_windows_are_the_goals_else_the_campaigns_else_the_usual() {
    let days = |days: u64| Windows {
        click_through: Duration::from_secs(days * 86_400),
        ..Windows::default()
    };
    let goal = GoalRules {
        windows: days(3),
        ..GoalRules::default()
    };
    let of = |campaign: &str, goal: &str| {
        let event = ConversionEvent {
            campaign: campaign.to_owned(),
            goal: goal.to_owned(),
            ..event(1, 0, Some(1), None)
        };
        Journey::new([], [event]).conversions()[0].clone()
    };
    let rules = Rules {
        windows: [("auto-us".to_owned(), days(2))].into(),
        goals: [(("auto-us".to_owned(), "bound".to_owned()), goal)].into(),
        ..Rules::default()
    };
    assert_eq!(rules.windows(&of("auto-us", "bound")), days(3));
    assert_eq!(rules.windows(&of("auto-us", "lead_sold")), days(2));
    assert_eq!(rules.windows(&of("solar-us", "bound")), days(30));
}
