//! The stable codes of problems: each has one status.
//!
//! To add one: a line in the table below; `UPDATE_EXPECT=1 cargo test -p httpd --lib` then writes it
//! into `docs/reference/problems.md`.

use http::StatusCode;

macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $about:literal;)*) => {
        /// The kind of a problem, stable for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// All of them, by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What it means and what to do, for a person.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

codes! {
    Malformed "malformed" BAD_REQUEST
        "The bytes are not what their type says: broken JSON, a member twice, too deep.";
    BodyBroken "body_broken" BAD_REQUEST
        "The body broke off, or its framing is wrong.";
    Unauthorized "unauthorized" UNAUTHORIZED
        "No valid key was sent.";
    Forbidden "forbidden" FORBIDDEN
        "The key is valid, but not for this; or the campaign or partner is paused.";
    NotFound "not_found" NOT_FOUND
        "There is nothing here, or nothing of the caller's own.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED
        "Another method; the header `Allow` names those that work.";
    BodyTooSlow "body_too_slow" REQUEST_TIMEOUT
        "The body did not arrive in time.";
    IdempotencyConflict "idempotency_conflict" CONFLICT
        "The key was used with another body.";
    AlreadySettled "already_settled" CONFLICT
        "The leg is settled already; the first settlement stands.";
    NotInDoubt "not_in_doubt" CONFLICT
        "The leg is not in doubt: its router may still hear the buyer.";
    CatalogChanged "catalog_changed" PRECONDITION_FAILED
        "Another generation is in force than the one that `If-Match` names: read the catalog again. Nothing was changed.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE
        "The body is larger than allowed.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE
        "The body's type is not one that this route takes.";
    InvalidLead "invalid_lead" UNPROCESSABLE_ENTITY
        "The request can be read and breaks rules; `errors` has all of them.";
    InvalidPostback "invalid_postback" UNPROCESSABLE_ENTITY
        "Parameters of the postback cannot be taken; `errors` has all of them.";
    InvalidCatalog "invalid_catalog" UNPROCESSABLE_ENTITY
        "The catalog has problems; `errors` has all of them, each with its path and line. Nothing was changed.";
    PingExpired "ping_expired" UNPROCESSABLE_ENTITY
        "The quote does not hold any more: ping again.";
    PingUsed "ping_used" UNPROCESSABLE_ENTITY
        "The quote was used by another post.";
    PingUnknown "ping_unknown" UNPROCESSABLE_ENTITY
        "The `ping_id` is not a quote for this publisher and campaign.";
    PingMismatch "ping_mismatch" UNPROCESSABLE_ENTITY
        "Locked fields differ from the ping; `errors` names them. The quote is not used up.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS
        "More requests than this publisher may send a second; nothing was read. Try again after `Retry-After`.";
    Internal "internal" INTERNAL_SERVER_ERROR
        "The service made a mistake; it was logged under the request id.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE
        "The service cannot do this now; nothing was done. Try again after `Retry-After`.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use expect_test::expect_file;

    use super::Code;

    #[test]
    fn the_reference_page_has_all() {
        let mut page = "# Problems\n\nMade from `crates/httpd/src/code.rs`. Every answer that is an error is \
            `application/problem+json` (RFC 9457) with\na stable `code`, a `detail` for a person, the \
            `request_id`, and `errors: [{pointer, code, message}]` where several\nthings can be wrong at once. \
            One about a lead or an auction\nthat was admitted names it, `lead_id` or `auction_id`. Pages for consumers (`/c`, `/i`) never are JSON.\n\n| code | status | meaning |\n|---|---|---|\n"
            .to_owned();
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            let status = code.status().as_u16();
            let _ = writeln!(
                page,
                "| `{}` | {status} | {} |",
                code.as_str(),
                code.about()
            );
        }
        let sorted = Code::ALL.is_sorted_by_key(|code| code.status().as_u16());
        assert!(sorted, "codes stand in the order of their status");
        expect_file![concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/problems.md"
        )]
        .assert_eq(&page);
    }
}
