//! A publisher's ping and post, checked against the campaign's schema.

use domain::{FullLead, PingFields};

use crate::issue::Fault;
use crate::lead::{Part, read_fields};
use crate::members::{Members, plain};
use crate::{Body, Consent, Control, Issue, IssueCode, Refusal, Schema};

/// A ping: the part of a lead without contact data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingRequest {
    /// What the publisher asks for.
    pub control: Control,
    /// The lead's fields.
    pub fields: PingFields,
    /// Members of `lead` that were ignored.
    pub warnings: Vec<Issue>,
}

/// A post: the whole lead, with the quote it uses or without (a direct post).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRequest {
    /// What the publisher asks for.
    pub control: Control,
    /// `ping_id`: the sealed quote; none for a direct post.
    pub ping_id: Option<String>,
    /// `legs`: the legs of the quote the publisher picks; empty for all.
    pub legs: Vec<String>,
    /// `consent`. No effect yet.
    pub consent: Option<Consent>,
    /// The lead.
    pub lead: FullLead,
    /// Members of `lead` that were ignored.
    pub warnings: Vec<Issue>,
}

/// The longest `ping_id` there is, in either form of quotes.
const PING_ID: usize = 1_800;

/// Checks a ping.
pub fn parse_ping(schema: &Schema, body: &Body<'_>) -> Result<PingRequest, Refusal> {
    let (mut issues, mut inner, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut members = Members::new(body.members(), "", &mut issues);
    let control = Control::read(&mut members, &mut inner);
    let lead = required_lead(&mut members);
    members.finish();
    let lead = lead.map(|lead| read_fields(schema, Part::Ping, lead, &mut inner, &mut warnings));
    issues.append(&mut inner);
    match lead {
        Some(lead) if issues.is_empty() => Ok(PingRequest {
            control,
            fields: lead.ping,
            warnings,
        }),
        _ => Err(Refusal::Invalid(issues)),
    }
}

/// Checks a post.
pub fn parse_post(schema: &Schema, body: &Body<'_>) -> Result<PostRequest, Refusal> {
    let (mut issues, mut inner, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut members = Members::new(body.members(), "", &mut issues);
    let control = Control::read(&mut members, &mut inner);
    let ping_id = members.text("ping_id", PING_ID);
    let legs = members.list("legs", 16, |leg| plain(leg, 64).map(|()| leg.to_owned()));
    if ping_id.is_none() && !legs.is_empty() {
        let message = "legs are picked from a quote: `ping_id` is missing";
        members.fault::<()>("legs", Fault::new(IssueCode::Conflict, message));
    }
    let consent = members
        .object("consent")
        .map(|consent| Consent::read(consent, &mut inner));
    let lead = required_lead(&mut members);
    members.finish();
    let lead = lead.map(|lead| read_fields(schema, Part::Post, lead, &mut inner, &mut warnings));
    issues.append(&mut inner);
    match lead {
        Some(lead) if issues.is_empty() => Ok(PostRequest {
            control,
            ping_id,
            legs,
            consent,
            lead,
            warnings,
        }),
        _ => Err(Refusal::Invalid(issues)),
    }
}

fn required_lead<'b, 'a>(members: &mut Members<'b, 'a>) -> Option<&'b crate::body::Object<'a>> {
    match members.get("lead") {
        Some(_) => members.object("lead"),
        None => {
            let fault = Fault::new(IssueCode::Missing, "the lead is missing");
            members.fault("lead", fault)
        }
    }
}
