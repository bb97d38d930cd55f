//! Calendar dates: ISO `2026-01-31` (a time behind it is cut), or month first `1/31/2026`,
//! `01-31-2026`, `01312026`. Years of two digits are refused: they are somebody's guess.

use domain::FieldValue;
use jiff::civil::Date;

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;

const EXPECTED: &str = "expected a date like 2026-01-31 or 01/31/2026";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = text_of(json, EXPECTED)?;
    read(&text)
        .map(|date| FieldValue::Text(date.to_string()))
        .ok_or_else(|| invalid(EXPECTED))
}

fn read(text: &str) -> Option<Date> {
    let day = text.split_once(['T', ' ']).map_or(text, |(day, _)| day);
    let separator = ['-', '/'].into_iter().find(|s| day.contains(*s));
    let (year, month, of_month) = match separator {
        Some(separator) => {
            let mut parts = day.split(separator);
            let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            if a.len() == 4 { (a, b, c) } else { (c, a, b) }
        }
        None if day.len() == 8 => (day.get(4..)?, day.get(..2)?, day.get(2..4)?),
        None => return None,
    };
    Date::new(number(year, 4)?, small(month)?, small(of_month)?).ok()
}

fn number(digits: &str, length: usize) -> Option<i16> {
    let plain = digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn small(digits: &str) -> Option<i8> {
    let value = number(digits, 1).or_else(|| number(digits, 2))?;
    i8::try_from(value).ok()
}
