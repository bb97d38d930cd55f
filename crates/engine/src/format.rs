//! What this host has to know about output formats.
//!
//! The engine hands a streamed result over in chunks, and writes every chunk as a document of its
//! own: a TabSeparated result is the chunks one after another, a JSON one is not. So a format is
//! streamed only where chunks add up to the document, or do so once a repeated header is cut off;
//! the other results are held whole, within a limit.

/// How chunks of a format make up its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Chunk after chunk.
    Plain,
    /// As `Plain`, but each chunk repeats a header that belongs only before the first.
    Headed(Header),
    /// Only a whole document is one.
    Whole,
}

/// The header's shape, to find its end in the first chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// So many lines; the format escapes line ends.
    Lines(u8),
    /// So many lines; a line end may stand inside double quotes.
    QuotedLines(u8),
    /// A count, then so many strings a column, all with their lengths.
    Strings(u64),
}

/// The format's framing and the server's `Content-Type` for it. Names are matched as the engine
/// matches them, without regard to case.
pub(crate) fn describe(format: &str) -> (Framing, &'static str) {
    const TSV: &str = "text/tab-separated-values; charset=UTF-8";
    const CSV: &str = "text/csv; charset=UTF-8; header=absent";
    const CSV_HEADED: &str = "text/csv; charset=UTF-8; header=present";
    const JSON: &str = "application/json; charset=UTF-8";
    const JSON_LINES: &str = "application/x-ndjson; charset=UTF-8";
    const TEXT: &str = "text/plain; charset=UTF-8";
    const BINARY: &str = "application/octet-stream";
    let lines = |count| Framing::Headed(Header::Lines(count));
    let quoted = |count| Framing::Headed(Header::QuotedLines(count));
    let strings = |each| Framing::Headed(Header::Strings(each));
    match format.to_ascii_lowercase().as_str() {
        "tabseparated" | "tsv" | "tabseparatedraw" | "tsvraw" | "raw" => (Framing::Plain, TSV),
        "tabseparatedwithnames" | "tsvwithnames" => (lines(1), TSV),
        "tabseparatedwithnamesandtypes" | "tsvwithnamesandtypes" => (lines(2), TSV),
        "csv" => (Framing::Plain, CSV),
        "csvwithnames" => (quoted(1), CSV_HEADED),
        "csvwithnamesandtypes" => (quoted(2), CSV_HEADED),
        "jsoneachrow" | "jsonlines" | "ndjson" | "jsonstringseachrow" => {
            (Framing::Plain, JSON_LINES)
        }
        "jsoncompacteachrow" | "jsoncompactstringseachrow" => (Framing::Plain, JSON_LINES),
        "jsoncompacteachrowwithnames" | "jsoncompactstringseachrowwithnames" => {
            (lines(1), JSON_LINES)
        }
        "jsoncompacteachrowwithnamesandtypes" | "jsoncompactstringseachrowwithnamesandtypes" => {
            (lines(2), JSON_LINES)
        }
        "rowbinary" | "native" => (Framing::Plain, BINARY),
        "rowbinarywithnames" => (strings(1), BINARY),
        "rowbinarywithnamesandtypes" => (strings(2), BINARY),
        "null" => (Framing::Plain, TEXT),
        "xml" => (Framing::Whole, "application/xml; charset=UTF-8"),
        name if name.starts_with("json") => (Framing::Whole, JSON),
        name if name.starts_with("pretty") || name.starts_with("vertical") || name == "values" => {
            (Framing::Whole, TEXT)
        }
        name if name.starts_with("tabseparated") || name.starts_with("tsv") => {
            (Framing::Whole, TSV)
        }
        name if name.starts_with("csv") => (Framing::Whole, CSV),
        _ => (Framing::Whole, BINARY),
    }
}

/// Settings that turn a format of rows into a document: with one of them nothing is streamed.
const DOCUMENT_SETTINGS: [&str; 1] = ["output_format_json_array_of_rows"];

/// The framing of `format`, given everything the client said.
pub(crate) fn framing<'s>(
    format: &str,
    statement: &[u8],
    mut settings: impl Iterator<Item = &'s str>,
) -> Framing {
    let in_statement = |name: &str| crate::statement::has_words(statement, &[name]);
    if settings.any(|name| DOCUMENT_SETTINGS.contains(&name))
        || DOCUMENT_SETTINGS.into_iter().any(in_statement)
    {
        return Framing::Whole;
    }
    describe(format).0
}

/// Joins the chunks of one result.
pub(crate) struct Joiner {
    header: Option<Header>,
    first: Option<Vec<u8>>,
}

impl Joiner {
    pub(crate) fn new(header: Option<Header>) -> Self {
        Self {
            header,
            first: None,
        }
    }

    /// What of `chunk` belongs to the document.
    pub(crate) fn cut<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let Some(header) = self.header else {
            return chunk;
        };
        match &self.first {
            None => {
                let length = header_length(header, chunk).unwrap_or(0);
                self.first = Some(chunk.get(..length).unwrap_or_default().to_vec());
                chunk
            }
            Some(first) => chunk.strip_prefix(first.as_slice()).unwrap_or(chunk),
        }
    }
}

fn header_length(header: Header, chunk: &[u8]) -> Option<usize> {
    match header {
        Header::Lines(count) => lines_length(chunk, count, false),
        Header::QuotedLines(count) => lines_length(chunk, count, true),
        Header::Strings(each) => {
            let (columns, mut at) = varint(chunk)?;
            for _ in 0..columns.checked_mul(each)? {
                let (length, size) = varint(chunk.get(at..)?)?;
                at = at
                    .checked_add(size)?
                    .checked_add(usize::try_from(length).ok()?)?;
                chunk.get(..at)?;
            }
            Some(at)
        }
    }
}

fn lines_length(chunk: &[u8], count: u8, quotes: bool) -> Option<usize> {
    let mut left = count;
    let mut quoted = false;
    for (at, byte) in chunk.iter().enumerate() {
        match byte {
            b'"' if quotes => quoted = !quoted,
            b'\n' if !quoted => {
                left = left.saturating_sub(1);
                if left == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// LEB128: the value and its length.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(format: &str, chunks: &[&[u8]]) -> Vec<u8> {
        let header = match describe(format).0 {
            Framing::Headed(header) => Some(header),
            Framing::Plain | Framing::Whole => None,
        };
        let mut joiner = Joiner::new(header);
        chunks
            .iter()
            .flat_map(|chunk| joiner.cut(chunk).to_vec())
            .collect()
    }

    #[test]
    fn a_repeated_header_is_cut_off() {
        assert_eq!(joined("TSV", &[b"1\n", b"2\n"]), b"1\n2\n");
        assert_eq!(
            joined("TSVWithNames", &[b"a\n1\n", b"a\n2\n"]),
            b"a\n1\n2\n"
        );
        assert_eq!(
            joined(
                "CSVWithNamesAndTypes",
                &[b"\"a\nb\"\n\"T\"\n1\n", b"\"a\nb\"\n\"T\"\n2\n"]
            ),
            b"\"a\nb\"\n\"T\"\n1\n2\n"
        );
        let header = b"\x01\x01x\x05UInt8";
        let first = [header.as_slice(), b"\x01"].concat();
        let second = [header.as_slice(), b"\x02"].concat();
        assert_eq!(
            joined("RowBinaryWithNamesAndTypes", &[&first, &second]),
            [header.as_slice(), b"\x01\x02"].concat()
        );
    }

    #[test]
    fn a_document_setting_stops_streaming() {
        let none = [].into_iter();
        assert_eq!(framing("JSONEachRow", b"SELECT 1", none), Framing::Plain);
        let asked = ["output_format_json_array_of_rows"].into_iter();
        assert_eq!(framing("JSONEachRow", b"SELECT 1", asked), Framing::Whole);
        let text = b"SELECT 1 SETTINGS output_format_json_array_of_rows=1";
        assert_eq!(framing("JSONEachRow", text, [].into_iter()), Framing::Whole);
    }
}
