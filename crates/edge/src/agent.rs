//! What a `User-Agent` says of device and system, and whether it calls itself a robot.
//!
//! One pass over its words. The header itself is not kept: it tells too much about a person.

/// What is kept of a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agent {
    /// `desktop`, `mobile`, `tablet`, `bot`, `other`.
    pub(crate) device: &'static str,
    /// `windows`, `macos`, `ios`, `android`, `chromeos`, `linux`, `other`.
    pub(crate) os: &'static str,
}

impl Agent {
    /// Reads the header; an absent one is empty.
    pub(crate) fn of(header: &str) -> Self {
        let (mut os, mut mobile, mut tablet) = ("other", false, false);
        for word in header.as_bytes().split(|c| !c.is_ascii_alphanumeric()) {
            match word {
                _ if is_robot(word) => {
                    return Self {
                        device: "bot",
                        os: "other",
                    };
                }
                b"Windows" => os = "windows",
                b"Android" => os = "android",
                b"iPhone" | b"iPod" => (os, mobile) = ("ios", true),
                b"iPad" => (os, tablet) = ("ios", true),
                b"CrOS" => os = "chromeos",
                b"Macintosh" => os = "macos",
                // Android says so too.
                b"Linux" if os == "other" => os = "linux",
                b"Mobile" => mobile = true,
                b"Tablet" => tablet = true,
                _ => {}
            }
        }
        let device = match os {
            _ if tablet => "tablet",
            _ if mobile => "mobile",
            // An Android device that does not call itself mobile is a tablet.
            "android" => "tablet",
            "other" => "other",
            _ => "desktop",
        };
        Self { device, os }
    }

    /// Whether it calls itself a robot.
    pub(crate) fn is_robot(self) -> bool {
        self.device == "bot"
    }
}

fn is_robot(word: &[u8]) -> bool {
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    let ends = |with: &[u8]| {
        let at = word.len().checked_sub(with.len());
        at.and_then(|at| word.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    // Most words are told apart by their last letter.
    match word.last().map(u8::to_ascii_lowercase) {
        // "Cubot" makes phones.
        Some(b't') => (ends(b"bot") && !is(b"cubot")) || is(b"facebookexternalhit"),
        Some(b'r') => ends(b"crawler") || ends(b"spider"),
        // Fetchers that declare themselves without such a word.
        Some(b'p') => is(b"slurp"),
        Some(b'e') => is(b"headlesschrome") || is(b"lighthouse"),
        Some(b's') => is(b"mediapartners"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ones_are_known() {
        for (header, device, os) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140 Safari/537.36",
                "desktop",
                "windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18 Safari/605.1.15",
                "desktop",
                "macos",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                "mobile",
                "ios",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                "tablet",
                "ios",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140 Mobile Safari/537.36",
                "mobile",
                "android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 Chrome/140 Safari/537.36",
                "tablet",
                "android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 9; CUBOT X19) Chrome/140 Mobile Safari/537.36",
                "mobile",
                "android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/140 Safari/537.36",
                "desktop",
                "chromeos",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "desktop",
                "linux",
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "bot",
                "other",
            ),
            (
                "Mozilla/5.0 (Linux; Android 6) Mobile (compatible; AdsBot-Google-Mobile)",
                "bot",
                "other",
            ),
            (
                "Baiduspider+(+http://www.baidu.com/search/spider.htm)",
                "bot",
                "other",
            ),
            ("facebookexternalhit/1.1", "bot", "other"),
            ("curl/8.5.0", "other", "other"),
            ("", "other", "other"),
        ] {
            assert_eq!(Agent::of(header), Agent { device, os }, "{header}");
        }
    }
}
