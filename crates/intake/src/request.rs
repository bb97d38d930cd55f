//! A publisher's ping and post, checked against the campaign's schema.

use domain::{Consent, FullLead, PingFields};

use crate::consent;
use crate::issue::{Fault, pointer};
use crate::lead::{Certificates, Part, read_fields};
use crate::members::{Members, plain};
use crate::{Body, ConsentRule, Control, Form, Issue, IssueCode, Refusal};

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
    /// `consent`; what there is of it is whole where the campaign asks for it.
    pub consent: Option<Consent>,
    /// The lead, with all that follows from its phone numbers and e-mail addresses.
    pub lead: FullLead,
    /// Of a quote's post: fields that were sent with another value than follows from the lead.
    pub unlike: Vec<Issue>,
    /// Members of `lead` that were ignored, and a consent that the campaign asks for and nobody sent.
    pub warnings: Vec<Issue>,
}

/// The longest `ping_id` there is, in either form of quotes.
const PING_ID: usize = 1_800;

/// Checks a ping.
pub fn parse_ping(form: &Form, body: &Body<'_>) -> Result<PingRequest, Refusal> {
    let (mut issues, mut inner, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut members = Members::new(body.members(), "", &mut issues);
    let control = Control::read(&mut members, &mut inner);
    let lead = required_lead(&mut members);
    members.finish();
    let none = Certificates::default();
    let lead =
        lead.map(|lead| read_fields(form, Part::Ping, lead, &none, &mut inner, &mut warnings));
    issues.append(&mut inner);
    match lead {
        Some(lead) if issues.is_empty() => Ok(PingRequest {
            control,
            fields: lead.lead.ping,
            warnings,
        }),
        _ => Err(Refusal::Invalid(issues)),
    }
}

/// Checks a post.
pub fn parse_post(form: &Form, body: &Body<'_>) -> Result<PostRequest, Refusal> {
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
        .map(|consent| consent::read(consent, form.consent, &mut inner));
    // A consumer that did not consent is no mistake of the sender's, so the post becomes a lead.
    if form.consent == ConsentRule::Tcpa && !body.has("consent") {
        let message = "this campaign takes no lead without the consumer's consent";
        warnings.push(Fault::new(IssueCode::Missing, message).at("/consent".to_owned()));
    }
    let lead = required_lead(&mut members);
    members.finish();
    let certificates = consent
        .as_ref()
        .map_or_else(Certificates::default, |consent| Certificates {
            trustedform_url: consent.trustedform_url.clone(),
            jornaya_leadid: consent.jornaya_leadid.clone(),
        });
    let lead = lead.map(|lead| {
        read_fields(
            form,
            Part::Post,
            lead,
            &certificates,
            &mut inner,
            &mut warnings,
        )
    });
    let mut unlike: Vec<Issue> = Vec::new();
    for name in lead.iter().flat_map(|lead| &lead.unlike) {
        let message = "is not what the lead's phone number or e-mail address gives";
        let fault = Fault::new(IssueCode::Conflict, message);
        unlike.push(fault.at(pointer("/lead", name.as_str())));
    }
    // Of a quote's post it is the quote that is not kept to, which is told otherwise.
    if ping_id.is_none() {
        inner.append(&mut unlike);
    }
    issues.append(&mut inner);
    match lead {
        Some(lead) if issues.is_empty() => Ok(PostRequest {
            control,
            ping_id,
            legs,
            consent,
            lead: lead.lead,
            unlike,
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
