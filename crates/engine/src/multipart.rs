//! `multipart/form-data` as some clients send query parameters: fields of text, no files.

use crate::exception::{Code, Exception};

/// The boundary a `Content-Type` names.
pub(crate) fn boundary(content_type: &str) -> Result<String, Exception> {
    content_type
        .split(';')
        .skip(1)
        .find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("boundary")
                .then(|| value.trim().trim_matches('"'))
        })
        .filter(|boundary| !boundary.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| malformed("no boundary"))
}

/// The fields of a form, in order. A file would be a table of external data, which is refused.
pub(crate) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, Vec<u8>)>, Exception> {
    let opening = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let start = find(body, opening.as_bytes()).ok_or_else(|| malformed("no first part"))?;
    let mut rest = body.get(start + opening.len()..).unwrap_or_default();
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or_else(|| malformed("no line after a boundary"))?;
        let end = find(part, between.as_bytes()).ok_or_else(|| malformed("no last boundary"))?;
        let (part, after) = part.split_at(end);
        fields.push(field(part)?);
        rest = after.get(between.len()..).unwrap_or_default();
    }
    Ok(fields)
}

fn field(part: &[u8]) -> Result<(String, Vec<u8>), Exception> {
    let head_end = find(part, b"\r\n\r\n").ok_or_else(|| malformed("a part without headers"))?;
    let (head, value) = part.split_at(head_end);
    let head = std::str::from_utf8(head).map_err(|_| malformed("headers that are not UTF-8"))?;
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value)
        .ok_or_else(|| malformed("a part without Content-Disposition"))?;
    if parameter(disposition, "filename").is_some() {
        return Err(Exception::new(
            Code::NotImplemented,
            "External data (a file in multipart/form-data) is not supported here",
        ));
    }
    let name = parameter(disposition, "name").ok_or_else(|| malformed("a part without a name"))?;
    Ok((name.to_owned(), value.get(4..).unwrap_or_default().to_vec()))
}

fn parameter<'d>(disposition: &'d str, wanted: &str) -> Option<&'d str> {
    disposition.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        (name.trim() == wanted).then(|| value.trim().trim_matches('"'))
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn malformed(why: &str) -> Exception {
    Exception::new(
        Code::BadArguments,
        format!("Malformed multipart/form-data: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x:String}\r\n\
                    --b\r\ncontent-disposition: form-data; name=\"param_x\"\r\nContent-Type: text/plain\r\n\r\na\r\nb\r\n--b--\r\n";
        let boundary = boundary("multipart/form-data; boundary=\"b\"").unwrap();
        assert_eq!(
            fields(body.as_bytes(), &boundary).unwrap(),
            [
                ("query".to_owned(), b"SELECT {x:String}".to_vec()),
                ("param_x".to_owned(), b"a\r\nb".to_vec())
            ]
        );
    }

    #[test]
    fn what_is_cut_off_or_a_file_is_refused() {
        let file =
            "--b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"f\"\r\n\r\n1\r\n--b--";
        assert_eq!(fields(file.as_bytes(), "b").unwrap_err().code(), 48);
        for bad in [
            "",
            "--b",
            "--b\r\n",
            "--b\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
        ] {
            assert_eq!(
                fields(bad.as_bytes(), "b").unwrap_err().code(),
                36,
                "{bad:?}"
            );
        }
        assert!(boundary("multipart/form-data").is_err());
    }
}
