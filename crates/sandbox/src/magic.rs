//! Magic ZIP codes: how a test lead tells a sandbox buyer what to do.
//!
//! They are unassigned codes of Alaska's last prefix, so they pass a ZIP check and derive a state,
//! and they work only where the request says `"test": true`.

/// What a test lead asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    /// Bid the highest price and accept the post.
    Buy,
    /// Do not bid; reject the post of a fixed-price contract.
    Decline,
    /// Bid the highest price and reject the post.
    Reject,
    /// Leave the ping without an answer.
    StallPing,
    /// Bid, accept the post and leave it without an answer.
    StallPost,
    /// Bid, accept the post, and answer it with half of the price.
    Reprice,
    /// Answer the ping with bytes that are no JSON.
    BreakPing,
    /// Accept the post and reset its connection.
    BreakPost,
    /// Bid, and answer the post with `pending`.
    Pending,
}

impl Magic {
    /// Every code and what it does.
    pub const ALL: [(&'static str, Self); 9] = [
        ("99991", Self::Buy),
        ("99992", Self::Decline),
        ("99993", Self::Reject),
        ("99994", Self::StallPing),
        ("99995", Self::StallPost),
        ("99996", Self::Reprice),
        ("99997", Self::BreakPing),
        ("99998", Self::BreakPost),
        ("99999", Self::Pending),
    ];

    /// What a buyer does, for a person.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Buy => "bid the highest price, accept the post",
            Self::Decline => "no bid; reject the post of a fixed-price contract",
            Self::Reject => "bid the highest price, reject the post",
            Self::StallPing => "leave the ping without an answer",
            Self::StallPost => "bid, accept the post and leave it without an answer",
            Self::Reprice => "bid, accept the post and answer with half of the price",
            Self::BreakPing => "answer the ping with bytes that are no JSON",
            Self::BreakPost => "bid, accept the post and reset its connection",
            Self::Pending => "bid, answer the post with `pending`",
        }
    }

    /// The magic of a ZIP code, if it has one.
    pub fn of(zip: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find_map(|(code, magic)| (code == zip).then_some(magic))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::Magic;

    #[test]
    fn the_reference_page_has_all() {
        let mut page = "# Magic ZIP codes\n\nMade from `crates/sandbox/src/magic.rs`. A test lead \
            (`\"test\": true`) goes to contracts in state `testing` alone, counts in\nno cap, is billed to \
            nobody and is in no report. Where such a contract's URLs are a sandbox buyer's (`gavel sandbox`), \
            the\nlead's `zip` says what the buyer does. The codes are nobody's: a real lead with one of them is \
            a lead like any other.\n\n| `zip` | the buyer will |\n|---|---|\n"
            .to_owned();
        for (zip, magic) in Magic::ALL {
            assert_eq!(Magic::of(zip), Some(magic));
            page.push_str(&format!("| `{zip}` | {} |\n", magic.describe()));
        }
        page.push_str(
            "\nWith any other ZIP it does what its profile says. Among test leads the same person is a \
            duplicate where the campaign\nsays so: use another phone number and e-mail address each time.\n",
        );
        expect_file![concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/sandbox.md"
        )]
        .assert_eq(&page);
    }
}
