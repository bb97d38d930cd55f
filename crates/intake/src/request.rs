//! A publisher's ping and post, checked against the campaign's schema.

use domain::{FullLead, PingFields};

use crate::{Body, Consent, Control, Issue, Refusal, Schema};

/// A ping: the part of a lead without contact data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingRequest {
    /// What the publisher asks for.
    pub control: Control,
    /// The lead's fields.
    pub fields: PingFields,
    /// Members of `lead` that the schema does not know.
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
    /// `consent`.
    pub consent: Option<Consent>,
    /// The lead.
    pub lead: FullLead,
    /// Members of `lead` that the schema does not know.
    pub warnings: Vec<Issue>,
}

/// Checks a ping.
pub fn parse_ping(_schema: &Schema, _body: &Body<'_>) -> Result<PingRequest, Refusal> {
    Err(Refusal::Malformed(String::new()))
}

/// Checks a post.
pub fn parse_post(_schema: &Schema, _body: &Body<'_>) -> Result<PostRequest, Refusal> {
    Err(Refusal::Malformed(String::new()))
}
