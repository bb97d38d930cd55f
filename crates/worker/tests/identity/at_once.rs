//! The computation over all events at once, from the definitions alone.

use std::collections::{BTreeMap, BTreeSet};

use attribution::{ConversionEvent, Journey, Parent, Rules, Touch, TouchKind, Windows, derive};
use domain::{ClickId, EventId, Micros, VisitorId};
use proto::{Click, Conversion, EventBody, EventRecord};
use serde_json::{Value, json};

use crate::world::VISITORS_PER_PERSON;

/// Everything that happened, by what it says.
#[derive(Default)]
struct Facts {
    /// Whose click it is.
    owners: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What each visitor met.
    met: BTreeMap<Vec<u8>, BTreeSet<Touch>>,
    /// Whom each visitor is.
    are: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

impl Facts {
    fn of(events: &[EventRecord]) -> Self {
        let mut facts = Self::default();
        for event in events {
            if let Some(EventBody::Click(_)) = &event.body {
                let (click, visitor) = (event.click_id.clone(), event.visitor.clone());
                facts.owners.insert(click, visitor);
            }
        }
        for event in events {
            match event.body.as_ref().unwrap() {
                EventBody::Click(ad) => facts.meet(event, ad, TouchKind::Click),
                EventBody::Impression(ad) => facts.meet(event, ad, TouchKind::View),
                EventBody::Conversion(said)
                    if !said.flags.is_empty() || !said.parent.is_empty() => {}
                _ => facts.identify(event),
            }
        }
        facts
    }

    fn meet(&mut self, event: &EventRecord, ad: &Click, kind: TouchKind) {
        if !ad.flags.is_empty() {
            return;
        }
        let click = event.click_id.as_slice().try_into().ok();
        let touch = Touch {
            at: event.ts(),
            id: event.event_id().unwrap(),
            kind,
            click: click.map(ClickId::from_bytes),
            publisher: ad.publisher.clone(),
            link: ad.link.clone(),
            campaign: ad.campaign.clone(),
        };
        let met = self.met.entry(event.visitor.clone()).or_default();
        met.insert(touch);
    }

    fn identify(&mut self, event: &EventRecord) {
        let mut persons: BTreeSet<Vec<u8>> = event.person.iter().cloned().collect();
        if !event.visitor.is_empty() && !event.click_id.is_empty() {
            persons.insert(derive("visitor", &[&event.visitor]).to_vec());
        }
        let owner = self.owners.get(&event.click_id).cloned();
        let visitor = (!event.visitor.is_empty()).then(|| event.visitor.clone());
        for who in owner.into_iter().chain(visitor) {
            self.are.entry(who).or_default().extend(persons.clone());
        }
    }

    /// The touches of all who are this person, unless they are too many to be one.
    fn known_to_person(&self, person: &[u8]) -> BTreeSet<Touch> {
        let all = self.are.iter();
        let members = all.filter(|(_, persons)| persons.contains(person));
        let members: Vec<_> = members.map(|(visitor, _)| visitor).collect();
        if members.len() > VISITORS_PER_PERSON {
            return BTreeSet::new();
        }
        let met = members
            .into_iter()
            .filter_map(|visitor| self.met.get(visitor));
        met.flatten().cloned().collect()
    }

    fn known_to_visitor(&self, visitor: &[u8]) -> BTreeSet<Touch> {
        let mut known = self.met.get(visitor).cloned().unwrap_or_default();
        for person in self.are.get(visitor).into_iter().flatten() {
            known.extend(self.known_to_person(person));
        }
        known
    }
}

fn report(event: &EventRecord, said: &Conversion) -> ConversionEvent {
    let track = |bytes: &[u8]| -> Option<[u8; 24]> { bytes.try_into().ok() };
    let report = ConversionEvent {
        at: event.ts(),
        id: EventId::from_bytes(event.id.as_slice().try_into().unwrap()),
        click: track(&event.click_id).map(ClickId::from_bytes),
        visitor: track(&event.visitor).map(VisitorId::from_bytes),
        campaign: said.campaign.clone(),
        goal: said.goal.clone(),
        txid: (!said.txid.is_empty()).then(|| said.txid.clone()),
        status: said.status.parse().unwrap(),
        amount: said.amount_micros.map(Micros::new),
        currency: Some(said.currency.parse().unwrap()),
        source: said.source.clone(),
        lead: None,
        payee: None,
        payout: Micros::ZERO,
        named: event.named,
        invalid_macro: !said.flags.is_empty(),
        unverified: false,
        once: said.once,
        parent: None,
    };
    if said.parent.is_empty() || report.invalid_macro {
        return report;
    }
    // What it says of itself is no matter: it is where the other one is.
    ConversionEvent {
        click: None,
        visitor: None,
        parent: Some(Parent {
            goal: said.parent_goal.clone(),
            txid: said.parent.clone(),
        }),
        ..report
    }
}

/// All conversions with what they look back on: id, and what the tables should say.
pub(super) fn at_once(events: &[EventRecord]) -> BTreeMap<String, Value> {
    let facts = Facts::of(events);
    let mut reports = Vec::new();
    for event in events {
        if let Some(EventBody::Conversion(said)) = &event.body {
            reports.push((report(event, said), event));
        }
    }
    reports.sort_by_key(|(report, _)| report.clone());
    // A click that reported an order first takes over what came for the order without one, or with
    // any other click if the order is one of its campaign.
    let order = |report: &ConversionEvent| {
        let txid = report.txid.clone().filter(|_| !report.invalid_macro);
        txid.map(|txid| (report.goal.clone(), txid))
    };
    let mut clicked = BTreeMap::new();
    for (report, _) in &reports {
        if let (Some(click), Some(order)) = (report.click, order(report)) {
            clicked.entry(order).or_insert(click);
        }
    }
    let repeats = repeats(&reports, &clicked);
    let mut groups: BTreeMap<String, Vec<(ConversionEvent, &EventRecord)>> = BTreeMap::new();
    for (mut report, event) in reports {
        report.click = counted_by(&report, &clicked);
        let key = attribution::ConversionKey::of(&report);
        let group = groups.entry(key.id().to_string()).or_default();
        group.push((report, event));
    }
    let mut all = BTreeMap::new();
    for (id, group) in &groups {
        // What follows from a conversion has that one's journey, and none without it.
        let parent = group[0].0.parent.as_ref().map(|parent| ConversionEvent {
            goal: parent.goal.clone(),
            txid: Some(parent.txid.clone()),
            parent: None,
            ..group[0].0.clone()
        });
        let parent = parent.map(|parent| attribution::ConversionKey::of(&parent).id().to_string());
        let stands = parent
            .as_ref()
            .map_or(Some(group), |parent| groups.get(parent));
        let known = stands.map_or_else(BTreeSet::new, |group| looks_back(&facts, group));
        let reports = group
            .iter()
            .chain(stands.filter(|_| parent.is_some()).into_iter().flatten());
        let journey = Journey::new(known, reports.map(|(report, _)| report.clone()));
        let mut made = journey.conversions().iter();
        let conversion = made.find(|conversion| conversion.id.to_string() == *id);
        let conversion = &attribution::Conversion {
            repeat: repeats.contains(id),
            ..conversion.unwrap().clone()
        };
        let windows = Windows::default();
        let credits: BTreeMap<&str, Value> = journey
            .credits(conversion, &windows)
            .iter()
            .map(|credit| {
                let parts = credit.parts.iter();
                let parts =
                    parts.map(|part| json!([part.touch.name(), part.share, part.value.get()]));
                (credit.model, parts.collect())
            })
            .collect();
        all.insert(
            id.clone(),
            json!({
                "status": conversion.status.as_str(),
                "amount": conversion.amount.get(),
                "restated": conversion.restated,
                "repeat": conversion.repeat,
                "payee": Rules::default().payable(&journey, conversion).map_or_else(String::new, |paid| paid.payee),
                "touches": journey.touches_of(conversion, &windows).len(),
                "credits": credits,
            }),
        );
    }
    all
}

type Clicked = BTreeMap<(String, String), ClickId>;

/// The click whose conversion a report is of.
fn counted_by(report: &ConversionEvent, clicked: &Clicked) -> Option<ClickId> {
    if let Some(Parent { goal, txid }) = &report.parent {
        return clicked.get(&(goal.clone(), txid.clone())).copied();
    }
    if report.invalid_macro || report.click.is_some() && report.goal != "by-order" {
        return report.click;
    }
    let order = report.txid.clone().map(|txid| (report.goal.clone(), txid));
    let taken = order.and_then(|order| clicked.get(&order).copied());
    taken.or(report.click)
}

/// The conversions that are not the first of their click, or without one of the visitor they name.
/// An order that a click took over still was its visitor's.
fn repeats(reports: &[(ConversionEvent, &EventRecord)], clicked: &Clicked) -> BTreeSet<String> {
    let once = reports.iter().map(|(report, _)| report);
    let once = once.filter(|report| report.once && !report.invalid_macro);
    let mut all: BTreeMap<_, Vec<ConversionEvent>> = BTreeMap::new();
    for report in once {
        let taken = ConversionEvent {
            click: counted_by(report, clicked),
            ..report.clone()
        };
        let alone = report.click.is_none().then(|| report.clone());
        for report in [Some(taken), alone].into_iter().flatten() {
            let key = attribution::ConversionKey::of(&report);
            all.entry(key.id()).or_default().push(report);
        }
    }
    let mut turns: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (id, mut reports) in all {
        reports.sort();
        reports.dedup();
        let conversion = Journey::new([], reports).conversions()[0].clone();
        let named = conversion.click.is_some() || conversion.visitor.is_some();
        if conversion.status.counts() && named {
            let visitor = conversion.visitor.filter(|_| conversion.click.is_none());
            let turn = (conversion.goal, conversion.click, visitor);
            turns.entry(turn).or_default().insert((conversion.at, id));
        }
    }
    let later = turns
        .into_values()
        .flat_map(|turn| turn.into_iter().skip(1));
    later.map(|(_, id)| id.to_string()).collect()
}

/// Explicit click, then the first visitor named, then the persons named.
fn looks_back(facts: &Facts, group: &[(ConversionEvent, &EventRecord)]) -> BTreeSet<Touch> {
    if let Some(click) = group[0].0.click {
        let owner = facts.owners.get(click.as_bytes().as_slice());
        return owner.map_or_else(BTreeSet::new, |owner| facts.known_to_visitor(owner));
    }
    let mut named = group.iter().filter_map(|(report, _)| report.visitor);
    if let Some(visitor) = named.next() {
        return facts.known_to_visitor(visitor.as_bytes());
    }
    let persons = group.iter().flat_map(|(_, event)| &event.person);
    persons
        .flat_map(|person| facts.known_to_person(person))
        .collect()
}
