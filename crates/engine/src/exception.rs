//! ClickHouse's exceptions: one text form, one code, and the HTTP status that goes with the code.
//!
//! Ours are raised before the engine is asked (authentication, limits, what an embedded engine must
//! not do); the engine's arrive as text and are brought into the form a server would have sent.

use std::fmt;

use http::StatusCode;

use crate::ffi::EngineError;

/// The exceptions this host raises itself, under the server's names and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    CannotReadAllData,
    BadArguments,
    TooLargeSizeCompressed,
    ChecksumDoesntMatch,
    NotImplemented,
    SyntaxError,
    UnknownFormat,
    UnknownCompressionMethod,
    UnknownSetting,
    Readonly,
    RequiredPassword,
    TooManySimultaneousQueries,
    SocketTimeout,
    NetworkError,
    QueryWithSameIdIsAlreadyRunning,
    CannotDecompress,
    TooManyBytes,
    SupportIsDisabled,
    IntoOutfileNotAllowed,
    ZlibInflateFailed,
    SessionNotFound,
    SessionIsLocked,
    InvalidSessionTimeout,
    HttpLengthRequired,
    TooManyRowsOrBytes,
    BrotliReadFailed,
    SettingConstraintViolation,
    UnknownTypeOfQuery,
    AuthenticationFailed,
    ZstdDecoderFailed,
    Lz4DecoderFailed,
    UnknownException,
}

impl Code {
    fn number_and_name(self) -> (u32, &'static str) {
        match self {
            Self::CannotReadAllData => (33, "CANNOT_READ_ALL_DATA"),
            Self::TooLargeSizeCompressed => (39, "TOO_LARGE_SIZE_COMPRESSED"),
            Self::ChecksumDoesntMatch => (40, "CHECKSUM_DOESNT_MATCH"),
            Self::UnknownFormat => (73, "UNKNOWN_FORMAT"),
            Self::UnknownCompressionMethod => (89, "UNKNOWN_COMPRESSION_METHOD"),
            Self::RequiredPassword => (194, "REQUIRED_PASSWORD"),
            Self::QueryWithSameIdIsAlreadyRunning => (216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"),
            Self::CannotDecompress => (271, "CANNOT_DECOMPRESS"),
            Self::SessionNotFound => (372, "SESSION_NOT_FOUND"),
            Self::SessionIsLocked => (373, "SESSION_IS_LOCKED"),
            Self::InvalidSessionTimeout => (374, "INVALID_SESSION_TIMEOUT"),
            Self::SettingConstraintViolation => (452, "SETTING_CONSTRAINT_VIOLATION"),
            Self::BrotliReadFailed => (448, "BROTLI_READ_FAILED"),
            Self::ZstdDecoderFailed => (561, "ZSTD_DECODER_FAILED"),
            Self::Lz4DecoderFailed => (618, "LZ4_DECODER_FAILED"),
            Self::BadArguments => (36, "BAD_ARGUMENTS"),
            Self::NotImplemented => (48, "NOT_IMPLEMENTED"),
            Self::SyntaxError => (62, "SYNTAX_ERROR"),
            Self::UnknownTypeOfQuery => (78, "UNKNOWN_TYPE_OF_QUERY"),
            Self::UnknownSetting => (115, "UNKNOWN_SETTING"),
            Self::Readonly => (164, "READONLY"),
            Self::TooManySimultaneousQueries => (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
            Self::SocketTimeout => (209, "SOCKET_TIMEOUT"),
            Self::NetworkError => (210, "NETWORK_ERROR"),
            Self::TooManyBytes => (307, "TOO_MANY_BYTES"),
            Self::SupportIsDisabled => (344, "SUPPORT_IS_DISABLED"),
            Self::ZlibInflateFailed => (354, "ZLIB_INFLATE_FAILED"),
            Self::IntoOutfileNotAllowed => (358, "INTO_OUTFILE_NOT_ALLOWED"),
            Self::HttpLengthRequired => (381, "HTTP_LENGTH_REQUIRED"),
            Self::TooManyRowsOrBytes => (396, "TOO_MANY_ROWS_OR_BYTES"),
            Self::AuthenticationFailed => (516, "AUTHENTICATION_FAILED"),
            Self::UnknownException => (1002, "UNKNOWN_EXCEPTION"),
        }
    }
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    code: u32,
    message: String,
    name: String,
}

impl Exception {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let (code, name) = code.number_and_name();
        Self {
            code,
            message: message.into(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code.number_and_name().0
    }

    /// The number for `X-ClickHouse-Exception-Code`.
    pub(crate) fn code(&self) -> u32 {
        self.code
    }

    /// The text a server of that version would send, with its line end.
    pub(crate) fn text(&self, version: &str) -> String {
        format!("{self} (version {version})\n")
    }

    /// The server's status for the code.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            6 | 8 | 15 | 25 | 26 | 27 | 36 | 37 | 38 | 41 | 44 | 53 | 62 | 72 | 117 | 123 | 167
            | 168 | 223 | 321 | 376 | 427 | 441 | 675 | 676 => StatusCode::BAD_REQUEST,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 | 511 => {
                StatusCode::NOT_FOUND
            }
            229 => StatusCode::PAYLOAD_TOO_LARGE,
            48 => StatusCode::NOT_IMPLEMENTED,
            76 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            381 => StatusCode::LENGTH_REQUIRED,
            159 => StatusCode::REQUEST_TIMEOUT,
            779 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Code: {}. DB::Exception: {}. ({})",
            self.code, self.message, self.name
        )
    }
}

impl std::error::Error for Exception {}

/// The engine's client half wraps what its server half threw, so an error can hold itself, once or
/// twice, with a version in the middle. What a client must see is the innermost message.
impl From<EngineError> for Exception {
    fn from(EngineError(text): EngineError) -> Self {
        let Some((code, mut message)) = strip_code(&text) else {
            return Self::new(Code::UnknownException, text.trim_end_matches('.'));
        };
        while let Some((inner, rest)) = strip_code(message)
            && inner == code
        {
            message = rest;
        }
        let mut name = "";
        loop {
            message = message.trim_end();
            if let Some((rest, _)) =
                strip_last_parenthesis(message, |text| text.starts_with("version "))
            {
                message = rest;
            } else if let Some((rest, found)) = strip_last_parenthesis(message, is_error_name) {
                message = rest;
                name = found;
            } else {
                break;
            }
            message = message.trim_end();
            message = message.strip_suffix('.').unwrap_or(message);
        }
        Self {
            code,
            message: message.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// `Code: 62. DB::Exception: rest` -> `(62, rest)`
fn strip_code(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.strip_prefix("Code: ")?.split_once(". DB::")?;
    let (_, message) = rest.split_once("Exception: ")?;
    Some((number.parse().ok()?, message))
}

/// `message (inside)` -> `(message, inside)` when `accept(inside)`
fn strip_last_parenthesis(text: &str, accept: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let open = text.rfind(" (")?;
    let (rest, last) = text.split_at(open);
    let inside = last.strip_prefix(" (")?.strip_suffix(')')?;
    accept(inside).then_some((rest, inside))
}

fn is_error_name(text: &str) -> bool {
    text.len() > 2
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(engine: &str, expected: Expect) {
        let exception = Exception::from(EngineError(engine.to_owned()));
        expected.assert_eq(&format!("{} {}", exception.status(), exception.text("1.2")));
    }

    #[test]
    fn an_error_of_the_engine_reads_like_the_servers() {
        check(
            "Code: 62. DB::Exception: Syntax error: failed at position 1. (SYNTAX_ERROR)",
            expect![[r#"
                400 Bad Request Code: 62. DB::Exception: Syntax error: failed at position 1. (SYNTAX_ERROR) (version 1.2)
            "#]],
        );
        check(
            "Code: 47. DB::Exception: Did you forget to add it?. (UNKNOWN_IDENTIFIER)",
            expect![[r#"
                404 Not Found Code: 47. DB::Exception: Did you forget to add it?. (UNKNOWN_IDENTIFIER) (version 1.2)
            "#]],
        );
    }

    #[test]
    fn an_error_that_holds_itself_is_unwrapped() {
        check(
            "Code: 73. DB::Exception: Code: 73. DB::Exception: Code: 73. DB::Exception: Unknown \
             format Nope. Maybe you meant: ['One']. (UNKNOWN_FORMAT) (version 26.7.2.1). \
             (UNKNOWN_FORMAT) (version 26.7.2.1). (UNKNOWN_FORMAT)",
            expect![[r#"
                404 Not Found Code: 73. DB::Exception: Unknown format Nope. Maybe you meant: ['One']. (UNKNOWN_FORMAT) (version 1.2)
            "#]],
        );
        check(
            "Code: 33. DB::Exception: Cannot read all data: (at row 9)\n: While executing \
             BinaryRowInputFormat. (CANNOT_READ_ALL_DATA) (version 26.7.2.1)",
            expect![[r#"
                500 Internal Server Error Code: 33. DB::Exception: Cannot read all data: (at row 9)
                : While executing BinaryRowInputFormat. (CANNOT_READ_ALL_DATA) (version 1.2)
            "#]],
        );
    }

    #[test]
    fn an_error_without_a_code_is_an_unknown_exception() {
        check(
            "No active streaming query",
            expect![[r#"
                500 Internal Server Error Code: 1002. DB::Exception: No active streaming query. (UNKNOWN_EXCEPTION) (version 1.2)
            "#]],
        );
    }

    #[test]
    fn our_own_have_the_servers_status() {
        for (code, status) in [
            (Code::AuthenticationFailed, 403),
            (Code::TooManySimultaneousQueries, 500),
            (Code::HttpLengthRequired, 411),
            (Code::NotImplemented, 501),
            (Code::SocketTimeout, 503),
        ] {
            assert_eq!(
                Exception::new(code, "x").status().as_u16(),
                status,
                "{code:?}"
            );
        }
    }
}
