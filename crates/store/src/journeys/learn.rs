//! How an identity learns, and what it tells. Whatever it is told twice it tells twice, and knows
//! once: so a crash between learning and telling is healed by the replay.

use domain::ClickId;
use proto::{Conversion, JourneyBody, JourneyEntry, Lent, OrderClaim};

use super::events::{Events, Kept, creditable};
use super::node::{Limits, Node, Place, Ties, is_visitor, named_visitor};
use super::{Identity, News, Person, Telling, What};
use crate::key;

/// Clicks of which an order remembers that they claim it: the smallest claims.
const CLAIMS: usize = 16;

/// What is told on the way.
struct Out {
    from: Identity,
    ts_us: i64,
    tellings: Vec<Telling>,
}

impl Out {
    fn tell(&mut self, to: Identity, what: What) {
        self.tellings.push(Telling {
            from: self.from,
            to,
            ts_us: self.ts_us,
            what,
        });
    }
}

impl Node {
    /// Takes news in, and gives what is to be told.
    pub fn learn(&mut self, me: Identity, ts_us: i64, news: News, limits: Limits) -> Vec<Telling> {
        self.newest_us = self.newest_us.max(ts_us);
        let mut out = Out {
            from: me,
            ts_us,
            tellings: Vec::new(),
        };
        let changed = match news {
            News::Event(entry) => self.event(entry, limits, &mut out),
            News::Clicked(clicked) => self.touched(clicked.kept, limits, &mut out),
            News::Person(person) => self.person(person, limits, &mut out),
            News::Told(from, what) => self.told(from, what, limits, &mut out),
        };
        if changed {
            self.revision = self.revision.saturating_add(1);
        }
        out.tellings
    }

    /// Takes over what waited under a click that turned out to be this visitor's.
    pub fn absorb(
        &mut self,
        me: Identity,
        click: ClickId,
        waited: Self,
        limits: Limits,
    ) -> Vec<Telling> {
        let revision = self.revision.max(waited.revision);
        let ts_us = waited.newest_us;
        let mut tellings = Vec::new();
        self.capped |= waited.capped;
        for entry in waited.own.iter() {
            tellings.extend(self.learn(me, ts_us, News::Event(entry), limits));
        }
        if let Some(ties) = waited.ties {
            for person in ties.persons.iter().copied() {
                tellings.extend(self.learn(me, ts_us, News::Person(person), limits));
            }
            self.ties().lent.extend(ties.lent);
        }
        let ties = self.ties();
        if ties.absorbed.len() < limits.ties {
            ties.absorbed.insert(click);
        }
        self.revision = revision.saturating_add(1);
        tellings
    }

    /// What taking over made it tell, if something had waited under this click: whoever hears of the click
    /// again may not have been able to pass it on the first time.
    pub fn absorbed(&mut self, me: Identity, click: ClickId, limits: Limits) -> Vec<Telling> {
        let Some(ties) = &self.ties else {
            return Vec::new();
        };
        if !ties.absorbed.contains(&click) {
            return Vec::new();
        }
        let persons: Vec<Person> = ties.persons.iter().copied().collect();
        let waited = self.own.rest().filter(|it| it.click_id == click.as_bytes());
        let events: Vec<JourneyEntry> = waited.collect();
        let news =
            (events.into_iter().map(News::Event)).chain(persons.into_iter().map(News::Person));
        let ts_us = self.newest_us;
        let mut tellings = Vec::new();
        for known in news {
            tellings.extend(self.learn(me, ts_us, known, limits));
        }
        tellings
    }

    fn ties(&mut self) -> &mut Ties {
        self.ties.get_or_insert_default()
    }

    /// A click, as it is kept.
    fn touched(&mut self, touch: Kept, limits: Limits, out: &mut Out) -> bool {
        let creditable = touch.is_creditable();
        let told = (self.ties.is_some() && creditable).then(|| touch.entry());
        let put = self.own.keep(touch, limits.entries);
        self.capped |= put.capped();
        if put.kept()
            && let Some(touch) = told
        {
            self.tell_touch(&touch, out);
        }
        put.changed()
    }

    /// Tells a touch of a visitor to those who want to know.
    fn tell_touch(&self, touch: &JourneyEntry, out: &mut Out) {
        if let (Identity::Visitor(_), Some(ties)) = (out.from, &self.ties) {
            let persons = ties.persons.iter().copied().map(Identity::Person);
            for to in persons.chain(ties.followers.iter().copied()) {
                out.tell(to, What::Touch(touch.clone()));
            }
        }
    }

    fn event(&mut self, entry: JourneyEntry, limits: Limits, out: &mut Out) -> bool {
        let put = self.own.put(&entry, limits.entries);
        self.capped |= put.capped();
        if !put.kept() {
            return false;
        }
        match (out.from, &entry.body) {
            (_, Some(JourneyBody::Touch(_))) if creditable(&entry) => self.tell_touch(&entry, out),
            (Identity::Visitor(_) | Identity::Click(_), Some(JourneyBody::Conversion(said))) => {
                let place = (entry.ts_us, entry.id.clone());
                match (order_of(said), click_of(&entry.click_id)) {
                    (Some(order), Some(click)) => {
                        out.tell(order, What::Claim(claim(place, click)));
                        if said.campaign_txid {
                            out.tell(order, What::Clicked(entry));
                        }
                    }
                    (None, Some(_)) => {}
                    (_, None) => self.show(&entry, None, out),
                }
            }
            (Identity::Key(_), Some(JourneyBody::Conversion(said)))
                if order_of(said).is_some() || follows(&entry) =>
            {
                if let Some(visitor) = named_visitor(&entry) {
                    out.tell(Identity::Visitor(visitor), What::Follow);
                }
                self.lend([entry], out);
                self.stand(out);
            }
            _ => {}
        }
        put.changed()
    }

    fn person(&mut self, person: Person, limits: Limits, out: &mut Out) -> bool {
        let ties = self.ties();
        if ties.persons.len() >= limits.ties && !ties.persons.contains(&person) {
            return false;
        }
        let new = ties.persons.insert(person);
        let to = Identity::Person(person);
        match out.from {
            // A click that nobody has been seen to make: its visitor will say so.
            Identity::Click(_) => {}
            Identity::Visitor(_) => {
                out.tell(to, What::Follow);
                for touch in self.own.touches() {
                    out.tell(to, What::Touch(touch));
                }
                let followers = self.ties.iter().flat_map(|ties| ties.followers.iter());
                for follower in followers {
                    out.tell(*follower, What::Person(person));
                }
            }
            Identity::Person(_) | Identity::Key(_) => out.tell(to, What::Follow),
        }
        new
    }

    fn told(&mut self, from: Identity, what: What, limits: Limits, out: &mut Out) -> bool {
        match what {
            What::Follow => self.followed(from, limits, out),
            What::Touch(touch) => self.heard_touch(from, touch, limits, out),
            What::Person(person) if is_visitor(&out.from) => self.person(person, limits, out),
            What::Person(person) => {
                out.tell(Identity::Person(person), What::Follow);
                let heard = self.ties().heard(from, limits);
                heard.is_some_and(|heard| {
                    heard.persons.len() < limits.ties && heard.persons.insert(person)
                })
            }
            What::Parted => {
                let Some(heard) = self.ties().heard(from, limits) else {
                    return false;
                };
                heard.touches = Events::default();
                !std::mem::replace(&mut heard.parted, true)
            }
            What::Claim(claim) => self.claimed(&claim, out),
            What::Lent(lent) => self.borrowed(from, lent, limits),
            What::Clicked(report) => self.clicked(report, limits, out),
            What::Beside(report) => self.stood(from, &report, limits, out),
        }
    }

    fn followed(&mut self, from: Identity, limits: Limits, out: &mut Out) -> bool {
        let ties = self.ties();
        if ties.followers.len() >= limits.ties && !ties.followers.contains(&from) {
            return false;
        }
        let new = ties.followers.insert(from);
        match out.from {
            Identity::Visitor(_) => {
                let persons: Vec<Person> = ties.persons.iter().copied().collect();
                for person in persons {
                    out.tell(from, What::Person(person));
                }
                for touch in self.own.touches() {
                    out.tell(from, What::Touch(touch));
                }
                if matches!(from, Identity::Key(_)) {
                    for report in self.beside(from) {
                        out.tell(from, What::Beside(report));
                    }
                }
            }
            Identity::Person(_) if ties.parted(limits) => {
                ties.heard.retain(|origin, _| !is_visitor(origin));
                // It may be this visitor who was one too many: then everybody has to know.
                let one = is_visitor(&from).then_some(ties.followers.iter());
                let all = one.into_iter().flatten().copied();
                let told: Vec<Identity> = all.chain([from]).collect();
                for to in told {
                    out.tell(to, What::Parted);
                }
            }
            Identity::Person(_) => {
                for (origin, heard) in &ties.heard {
                    if is_visitor(origin) && *origin != from {
                        for touch in heard.touches.iter() {
                            out.tell(from, What::Touch(touch));
                        }
                    }
                }
            }
            Identity::Click(_) | Identity::Key(_) => {}
        }
        new
    }

    fn heard_touch(
        &mut self,
        from: Identity,
        touch: JourneyEntry,
        limits: Limits,
        out: &mut Out,
    ) -> bool {
        let published = matches!(out.from, Identity::Person(_)) && is_visitor(&from);
        let ties = self.ties();
        if published && ties.parted(limits) {
            return false;
        }
        let Some(heard) = ties.heard(from, limits) else {
            return false;
        };
        if heard.parted {
            return false;
        }
        let put = heard.touches.put(&touch, limits.entries);
        if published && put.kept() {
            for follower in ties.followers.iter().filter(|follower| **follower != from) {
                out.tell(*follower, What::Touch(touch.clone()));
            }
        }
        put.changed()
    }

    fn claimed(&mut self, claim: &OrderClaim, out: &mut Out) -> bool {
        let Some(click) = click_of(&claim.click) else {
            return false;
        };
        let claims = &mut self.ties().claims;
        let place = (claim.ts_us, claim.id.clone());
        let new = claims.get(&click).is_none_or(|known| place < *known);
        if new {
            claims.insert(click, place);
        }
        let clicked = self.ties.iter().flat_map(|ties| ties.clicked.iter());
        let reports: Vec<JourneyEntry> = self.own.iter().chain(clicked).collect();
        self.lend(reports, out);
        // Whoever is forgotten has just heard of a smaller claim, and that is all it has to know.
        let claims = &mut self.ties().claims;
        if claims.len() > CLAIMS {
            let largest = claims
                .iter()
                .max_by_key(|(click, place)| ((*place).clone(), **click));
            if let Some(largest) = largest.map(|(click, _)| *click) {
                claims.remove(&largest);
            }
        }
        new
    }

    /// A report with a click, of an order that is one of its campaign.
    fn clicked(&mut self, report: JourneyEntry, limits: Limits, out: &mut Out) -> bool {
        let put = self.ties().clicked.put(&report, limits.entries);
        if put.kept() {
            self.lend([report], out);
        }
        put.changed()
    }

    /// Tells every click that claims this order of its reports.
    fn lend(&self, reports: impl IntoIterator<Item = JourneyEntry>, out: &mut Out) {
        let (Some(ties), Some((place, click))) = (&self.ties, self.best()) else {
            return;
        };
        let best = claim(place, click);
        for entry in reports {
            for click in ties.claims.keys() {
                let lent = Lent {
                    entry: Some(entry.clone()),
                    best: Some(best.clone()),
                    click: click.as_bytes().to_vec(),
                };
                out.tell(Identity::Click(*click), What::Lent(lent));
            }
        }
    }

    /// The claim that counts.
    pub(super) fn best(&self) -> Option<(Place, ClickId)> {
        let claims = self.ties.iter().flat_map(|ties| &ties.claims);
        claims.map(|(click, place)| (place.clone(), *click)).min()
    }

    fn borrowed(&mut self, from: Identity, lent: Lent, limits: Limits) -> bool {
        let (Some(entry), Some(best)) = (lent.entry, lent.best) else {
            return false;
        };
        let Some(best) = click_of(&best.click).map(|click| ((best.ts_us, best.id), click)) else {
            return false;
        };
        let Some(click) = click_of(&lent.click) else {
            return false;
        };
        let loan = self.ties().lent.entry((from, click)).or_default();
        let mut changed = loan.entries.put(&entry, limits.entries).changed();
        if loan.best.as_ref().is_none_or(|known| best < *known) {
            loan.best = Some(best);
            changed = true;
        }
        changed
    }
}

/// Where a goal counts once, its conversions are seen beside each other: a visitor shows the orders
/// that name it each other's reports, and its own without click and order.
impl Node {
    /// An order shows all its reports to the visitors that they name, the first few: whoever comes
    /// after those has heard that it was named later, and that is all it has to know.
    fn stand(&self, out: &mut Out) {
        let mut reports: Vec<JourneyEntry> = self.own.conversions().collect();
        // What follows from the order is no report of it.
        reports.retain(|report| !follows(report));
        if !reports.iter().any(counts_once) {
            return;
        }
        let mut visitors = Vec::new();
        for visitor in reports.iter().filter_map(named_visitor) {
            if visitors.len() <= CLAIMS && !visitors.contains(&visitor) {
                visitors.push(visitor);
            }
        }
        for visitor in visitors {
            for report in &reports {
                out.tell(Identity::Visitor(visitor), What::Beside(report.clone()));
            }
        }
    }

    fn stood(
        &mut self,
        from: Identity,
        report: &JourneyEntry,
        limits: Limits,
        out: &mut Out,
    ) -> bool {
        let Some(heard) = self.ties().heard(from, limits) else {
            return false;
        };
        let put = heard.beside.put(report, limits.entries);
        if is_visitor(&out.from) && put.kept() {
            self.show(report, Some(from), out);
        }
        put.changed()
    }

    /// A visitor shows a report to the orders that follow it, but for the one it has it from.
    fn show(&self, report: &JourneyEntry, from: Option<Identity>, out: &mut Out) {
        let followers = self.ties.iter().flat_map(|ties| ties.followers.iter());
        let orders = followers.filter(|who| matches!(who, Identity::Key(_)));
        for order in orders.filter(|order| Some(**order) != from) {
            out.tell(*order, What::Beside(report.clone()));
        }
    }

    /// What a visitor shows an order.
    fn beside(&self, order: Identity) -> Vec<JourneyEntry> {
        let own = self.own.conversions();
        let own = own.filter(|report| report.click_id.is_empty());
        let heard = self.ties.iter().flat_map(|ties| ties.heard.iter());
        let heard = heard.filter(|(origin, _)| **origin != order);
        own.chain(heard.flat_map(|(_, heard)| heard.beside.iter()))
            .collect()
    }
}

/// Whether it follows from the conversion of an order, and is no report of it.
pub(super) fn follows(report: &JourneyEntry) -> bool {
    matches!(&report.body, Some(JourneyBody::Conversion(said)) if !said.parent.is_empty())
}

fn counts_once(report: &JourneyEntry) -> bool {
    matches!(&report.body, Some(JourneyBody::Conversion(said)) if said.once)
}

fn claim((ts_us, id): Place, click: ClickId) -> OrderClaim {
    OrderClaim {
        ts_us,
        id,
        click: click.as_bytes().to_vec(),
    }
}

pub(super) fn click_of(bytes: &[u8]) -> Option<ClickId> {
    Some(ClickId::from_bytes(bytes.try_into().ok()?))
}

/// The order that a report names; none if a macro was left unexpanded: such a report is matched with
/// nothing.
pub(super) fn order_of(said: &Conversion) -> Option<Identity> {
    let order = || Identity::Key(key::order(&said.campaign, &said.goal, &said.txid));
    (!key::unmatched(said) && !said.txid.is_empty()).then(order)
}
