//! `multipart/form-data`, read as it arrives: fields are the query and its parameters, files the tables of
//! external data.

use crate::exception::{Code, Exception};

/// The headers of one part.
const MOST_HEAD: usize = 16 << 10;

/// What comes next in a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A part begins.
    Part { name: String, file: bool },
    /// More of the part's value.
    Data(Vec<u8>),
    /// The part is whole.
    Ended,
    /// The form is whole.
    Over,
    /// Nothing without more bytes.
    More,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Preamble,
    AfterBoundary,
    Head,
    Value,
    Over,
}

#[derive(Debug)]
pub(crate) struct Form {
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
}

impl Form {
    pub(crate) fn new(boundary: &str) -> Self {
        Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first boundary has no line end before it.
            buffer: b"\r\n".to_vec(),
            state: State::Preamble,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Result<Event, Exception> {
        loop {
            match self.state {
                State::Over => return Ok(Event::Over),
                State::Preamble => {
                    let Some(at) = find(&self.buffer, &self.delimiter) else {
                        self.take(self.surely_before());
                        return Ok(Event::More);
                    };
                    self.take(at + self.delimiter.len());
                    self.state = State::AfterBoundary;
                }
                State::AfterBoundary => match self.buffer.get(..2) {
                    Some(b"--") => self.state = State::Over,
                    Some(b"\r\n") => {
                        self.take(2);
                        self.state = State::Head;
                    }
                    Some(_) => return Err(malformed("no line after a boundary")),
                    None => return Ok(Event::More),
                },
                State::Head => {
                    let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                        if self.buffer.len() > MOST_HEAD {
                            return Err(malformed("the headers of a part are too long"));
                        }
                        return Ok(Event::More);
                    };
                    let head = self.take(end + 4);
                    self.state = State::Value;
                    return disposition(&head);
                }
                State::Value => {
                    let end = find(&self.buffer, &self.delimiter);
                    return Ok(match end {
                        Some(0) => {
                            self.take(self.delimiter.len());
                            self.state = State::AfterBoundary;
                            Event::Ended
                        }
                        Some(at) => Event::Data(self.take(at)),
                        None => match self.surely_before() {
                            0 => Event::More,
                            sure => Event::Data(self.take(sure)),
                        },
                    });
                }
            }
        }
    }

    /// How many bytes no delimiter can begin in.
    fn surely_before(&self) -> usize {
        (self.buffer.len() + 1).saturating_sub(self.delimiter.len())
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// The boundary a `Content-Type` names.
pub(crate) fn boundary(content_type: &str) -> Result<String, Exception> {
    parameter(content_type, "boundary")
        .filter(|boundary| !boundary.is_empty())
        .ok_or_else(|| malformed("no boundary"))
}

fn disposition(head: &[u8]) -> Result<Event, Exception> {
    let head = std::str::from_utf8(head).map_err(|_| malformed("headers that are not UTF-8"))?;
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value)
        .ok_or_else(|| malformed("a part without Content-Disposition"))?;
    Ok(Event::Part {
        name: parameter(disposition, "name").ok_or_else(|| malformed("a part without a name"))?,
        file: parameter(disposition, "filename").is_some(),
    })
}

/// `form-data; name="x"` -> `x`
fn parameter(header: &str, wanted: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case(wanted)
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let (first, _) = what.split_first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if text.get(at..)?.starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

pub(crate) fn malformed(why: &str) -> Exception {
    Exception::new(
        Code::BadArguments,
        format!("Malformed multipart/form-data: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a form that arrives in pieces of a size.
    fn parts(body: &[u8], size: usize) -> Result<Vec<(String, bool, Vec<u8>)>, u32> {
        let mut form = Form::new("b");
        let mut pieces = body.chunks(size);
        let mut parts: Vec<(String, bool, Vec<u8>)> = Vec::new();
        loop {
            match form.next().map_err(|error| error.code())? {
                Event::Part { name, file } => parts.push((name, file, Vec::new())),
                Event::Data(data) => parts.last_mut().unwrap().2.extend(data),
                Event::Ended => {}
                Event::Over => return Ok(parts),
                Event::More => form.feed(pieces.next().ok_or(0_u32)?),
            }
        }
    }

    #[test]
    fn parts_are_read_however_they_arrive() {
        let body = "before\r\n--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x:String}\r\n\
                    --b\r\ncontent-disposition: form-data; name=\"param_x\"\r\nContent-Type: text/plain\r\n\r\na\r\n--\r\n\r\n--b\r\n\
                    Content-Disposition: form-data; name=t; filename=\"f\"\r\n\r\n\r\n--b--after";
        for size in 1..body.len() {
            assert_eq!(
                parts(body.as_bytes(), size).unwrap(),
                [
                    ("query".to_owned(), false, b"SELECT {x:String}".to_vec()),
                    ("param_x".to_owned(), false, b"a\r\n--\r\n".to_vec()),
                    ("t".to_owned(), true, Vec::new()),
                ],
                "in pieces of {size}"
            );
        }
        assert_eq!(
            boundary("multipart/form-data; Boundary=\"b\"").unwrap(),
            "b"
        );
        assert!(boundary("multipart/form-data").is_err());
    }

    #[test]
    fn what_is_cut_off_or_no_form_is_refused() {
        for cut_off in [
            "",
            "--b",
            "--b\r\n",
            "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--",
        ] {
            assert_eq!(parts(cut_off.as_bytes(), 3), Err(0), "{cut_off:?}");
        }
        for bad in [
            "--bx\r\n",
            "--b\r\nx\r\n\r\n\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
        ] {
            assert_eq!(parts(bad.as_bytes(), 3), Err(36), "{bad:?}");
        }
        let endless = "x: y\r\n".repeat(MOST_HEAD);
        assert_eq!(parts(format!("--b\r\n{endless}").as_bytes(), 999), Err(36));
    }
}
