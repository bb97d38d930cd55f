//! What this host has to know about output formats.

/// The server's `Content-Type` for a format. Names are matched as the engine matches them, without regard to
/// case.
pub(crate) fn content_type(format: &str) -> &'static str {
    const TSV: &str = "text/tab-separated-values; charset=UTF-8";
    const CSV: &str = "text/csv; charset=UTF-8; header=absent";
    const CSV_HEADED: &str = "text/csv; charset=UTF-8; header=present";
    const JSON: &str = "application/json; charset=UTF-8";
    const JSON_LINES: &str = "application/x-ndjson; charset=UTF-8";
    const TEXT: &str = "text/plain; charset=UTF-8";
    const BINARY: &str = "application/octet-stream";
    match format.to_ascii_lowercase().as_str() {
        "raw" => TSV,
        "csvwithnames" | "csvwithnamesandtypes" => CSV_HEADED,
        "jsonlines" | "ndjson" => JSON_LINES,
        "xml" => "application/xml; charset=UTF-8",
        "null" | "values" => TEXT,
        name if name.starts_with("json") && name.contains("eachrow") => JSON_LINES,
        name if name.starts_with("json") => JSON,
        name if name.starts_with("tabseparated") || name.starts_with("tsv") => TSV,
        name if name.starts_with("csv") => CSV,
        name if name.starts_with("pretty") || name.starts_with("vertical") => TEXT,
        _ => BINARY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_without_regard_to_case() {
        for (format, expected) in [
            ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
            (
                "jsonCompactEachRowWithNames",
                "application/x-ndjson; charset=UTF-8",
            ),
            ("JSONCompact", "application/json; charset=UTF-8"),
            ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
            ("TSVRaw", "text/tab-separated-values; charset=UTF-8"),
            ("PrettyCompact", "text/plain; charset=UTF-8"),
            ("Native", "application/octet-stream"),
        ] {
            assert_eq!(content_type(format), expected, "{format}");
        }
    }
}
