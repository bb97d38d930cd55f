//! Somebody who clicks links.

use anyhow::{Result, ensure};
use loadtest::closed::User;
use loadtest::wire::{self, Message};

/// A visitor clicks so often; the first time without a cookie.
const CLICKS: u32 = 4;
/// What a browser sends.
const BROWSER: &str = "user-agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n";
/// As long as a cookie of the service, for a server that sets none.
const NO_COOKIE: &str = "gvid=v_00000000000000000000000000000000000000";

/// Somebody who clicks a few times and is then somebody else.
pub(crate) struct Visitor {
    path: String,
    cookie: Option<String>,
    clicks: u32,
}

impl Visitor {
    pub(crate) fn new(number: u32) -> Self {
        let link = match number % 3 {
            0 => "north-a",
            1 => "north-b",
            _ => "south-a",
        };
        Self {
            path: format!(
                "/c/{link}?s1=google&s2=adset-{}&gclid=g-{number}",
                number % 10
            ),
            cookie: None,
            clicks: 0,
        }
    }
}

impl User for Visitor {
    fn next(&mut self) -> Vec<u8> {
        if self.clicks.is_multiple_of(CLICKS) {
            self.cookie = None;
            return wire::get(&self.path, BROWSER);
        }
        let cookie = self.cookie.as_deref().unwrap_or(NO_COOKIE);
        wire::get(&self.path, &format!("{BROWSER}cookie: {cookie}\r\n"))
    }

    fn heard(&mut self, answer: Message<'_>) -> Result<()> {
        ensure!(
            answer.status() == Some(302),
            "a click was answered {:?}",
            answer.head
        );
        self.clicks += 1;
        if let Some(cookie) = answer.header("set-cookie") {
            let name_and_value = cookie.split(';').next().unwrap_or_default();
            self.cookie = Some(name_and_value.to_owned());
        }
        Ok(())
    }
}
