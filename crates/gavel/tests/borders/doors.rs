//! The routes of all listeners, with whose they are and what body they take.

use httpd::{Endpoint, Operator};

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Anybody,
    Publisher,
    Buyer,
    Admin,
    /// A page of a campaign's site, named by its origin.
    Site,
    /// Named by a token or a key in the query or the form.
    Token,
}

/// What a body is, where one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Nothing,
    Json,
    /// A JSON array, each entry of which is judged by itself.
    Batch,
    Form,
    Toml,
}

/// Who reads the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Program,
    Person,
}

/// One method of one route.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) listener: &'static str,
    pub(crate) method: &'static str,
    pub(crate) methods: &'static str,
    /// With names filled in.
    pub(crate) path: String,
    /// Whether there were any.
    pub(crate) named: bool,
    pub(crate) who: Who,
    pub(crate) body: Body,
    pub(crate) reader: Reader,
}

impl Door {
    /// Headers by which its caller is let in.
    pub(crate) fn key(&self) -> &'static str {
        match self.who {
            Who::Anybody | Who::Token => "",
            Who::Publisher => "authorization: Bearer demo-publisher-alpha-media\r\n",
            Who::Buyer => "authorization: Bearer demo-buyer-01-key\r\n",
            Who::Site => "origin: https://quotes.example\r\n",
            Who::Admin => "authorization: Bearer border-test-admin-key\r\n",
        }
    }

    /// The media type of its body.
    pub(crate) fn media(&self) -> &'static str {
        match self.body {
            Body::Form => "application/x-www-form-urlencoded",
            Body::Toml => "application/toml",
            Body::Json | Body::Batch | Body::Nothing => "application/json",
        }
    }
}

/// Whose a route is, and what it reads. A new route needs a line here.
fn about(endpoint: Endpoint) -> (Who, Body, Reader) {
    match (endpoint.methods, endpoint.path) {
        (_, "/c/{link}" | "/i/{link}" | "/p.gif") => (Who::Anybody, Body::Nothing, Reader::Person),
        ("POST", "/v1/events") => (Who::Publisher, Body::Batch, Reader::Program),
        (_, "/v1/beacon") => (Who::Site, Body::Batch, Reader::Program),
        (_, "/t.js") => (Who::Anybody, Body::Nothing, Reader::Program),
        (_, "/postback") => (Who::Token, Body::Form, Reader::Program),
        ("POST", path) if path.starts_with("/v1/campaigns/") => {
            (Who::Publisher, Body::Json, Reader::Program)
        }
        ("GET", path) if path.starts_with("/v1/leads") => {
            (Who::Publisher, Body::Nothing, Reader::Program)
        }
        ("POST", path) if path.starts_with("/v1/buyer/") => {
            (Who::Buyer, Body::Json, Reader::Program)
        }
        ("POST", "/v1/admin/catalog:validate" | "/v1/admin/catalog:apply") => {
            (Who::Admin, Body::Toml, Reader::Program)
        }
        ("POST", path) if path.starts_with("/v1/admin/") => {
            (Who::Admin, Body::Json, Reader::Program)
        }
        ("GET", path) if path.starts_with("/v1/admin/") => {
            (Who::Admin, Body::Nothing, Reader::Program)
        }
        ("GET, HEAD", "/healthz" | "/readyz" | "/metrics") => {
            (Who::Anybody, Body::Nothing, Reader::Program)
        }
        other => panic!("whose is {other:?}, and what body does it take?"),
    }
}

fn value(name: &str) -> String {
    match name {
        "campaign" => "auto-us".to_owned(),
        "link" => "alpha-search".to_owned(),
        "lead_id" => format!("ld_{}", "0".repeat(32)),
        "idempotency_key" => format!("bk_{}", "0".repeat(36)),
        "leg" => "1".to_owned(),
        other => panic!("a value for {other}"),
    }
}

/// All methods of all routes.
pub(crate) fn doors() -> Vec<Door> {
    let public = edge::endpoints().chain(router::endpoints());
    let public = public.map(|endpoint| ("public", endpoint));
    let operator = Operator::endpoints().map(|endpoint| ("operator", endpoint));
    let mut doors = Vec::new();
    for (listener, endpoint) in public.chain(operator) {
        let (who, body, reader) = about(endpoint);
        for method in endpoint.methods.split(", ") {
            // A HEAD has no body to be judged: it is its GET.
            if method == "HEAD" {
                continue;
            }
            let reads = if matches!(method, "GET" | "OPTIONS") {
                Body::Nothing
            } else {
                body
            };
            doors.push(Door {
                listener,
                method,
                methods: endpoint.methods,
                path: endpoint.filled(value),
                named: endpoint.path.contains('{'),
                who,
                body: reads,
                reader,
            });
        }
    }
    doors
}
