//! Values with units: `150ms`, `2s`, `5m`, `24h`, `30d`; `64KiB`, `256MiB`; `12.5%`; and URLs.

use std::time::Duration;

use domain::Ppm;
use url::Url;

const DURATION: &str = "expected a time span like \"150ms\", \"2s\", \"5m\", \"24h\" or \"30d\"";
const SIZE: &str = "expected a size like \"512B\", \"64KiB\" or \"256MiB\"";
const PERCENT: &str = "expected a percentage like \"20%\" or \"12.5%\", from 0% to 100%";

/// Digits and what follows them.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

/// A span of time of at most ten years.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let read = || {
        let (number, unit) = split(text)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let span = Duration::from_millis(number.checked_mul(millis)?);
        (span <= Duration::from_secs(3_650 * 86_400)).then_some(span)
    };
    read().ok_or_else(|| DURATION.to_owned())
}

/// A number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let read = || {
        let (number, unit) = split(text)?;
        let bytes: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(bytes)
    };
    read().ok_or_else(|| SIZE.to_owned())
}

/// A share of at most one, to four decimals of a percent.
pub(crate) fn percent(text: &str) -> Result<Ppm, String> {
    let read = || {
        let (whole, fraction) = text
            .strip_suffix('%')
            .map(|p| p.split_once('.').unwrap_or((p, "0")))?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
            return None;
        }
        let whole: u32 = whole.parse().ok()?;
        let fraction: u32 = format!("{fraction:0<4}").parse().ok()?;
        Ppm::new(whole.checked_mul(10_000)?.checked_add(fraction)?)
    };
    read().ok_or_else(|| PERCENT.to_owned())
}

/// An http or https URL with a host and without a user.
pub(crate) fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("expected a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("expected an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not hold a user or a password".to_owned());
    }
    Ok(url)
}

/// A time that is neither shorter nor longer than these.
pub(crate) fn duration_between(text: &str, least: &str, most: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    match (duration(least)?..=duration(most)?).contains(&time) {
        true => Ok(time),
        false => Err(format!("expected a time from \"{least}\" to \"{most}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, millis) in [
            ("150ms", 150),
            ("2s", 2_000),
            ("5m", 300_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("0B"), Ok(0));
        for (text, ppm) in [
            ("20%", 200_000),
            ("12.5%", 125_000),
            ("0%", 0),
            ("100%", 1_000_000),
        ] {
            assert_eq!(percent(text).map(Ppm::get), Ok(ppm), "{text}");
        }
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "5 s",
            "99999999999999999999s",
            "9999999d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "5kb", "5KB", "-1B", "99999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in [
            "", "20", "%", "-1%", "101%", "1.23456%", "1.%", ".5%", "1e1%",
        ] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
