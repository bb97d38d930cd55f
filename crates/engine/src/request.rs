//! What a client asks for, read from the URL and the headers as the server reads them.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode;

use crate::codec::Encoding;
use crate::exception::{Code, Exception};
use crate::external::Shapes;
use crate::host::MARK;
use crate::multipart;
use crate::progress::Wanted;

/// One query as asked for; its text may go on in the body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The `query` parameter; the body follows it after a line end.
    pub text: Vec<u8>,
    pub database: Option<String>,
    pub default_format: Option<String>,
    pub query_id: Option<String>,
    /// Take the place of a running query with this id.
    pub replaces: bool,
    pub session: Option<Session>,
    /// Engine settings in the order given, without those that are the host's own business.
    pub settings: Vec<(String, String)>,
    /// Values for `{name:Type}`.
    pub params: Vec<(String, String)>,
    pub access: Access,
    /// Hold the whole result back until it is known to be good.
    pub wait_end: bool,
    /// Say how far it is, before its end.
    pub progress: Wanted,
    /// Hold back at least so many bytes of it.
    pub buffer_size: usize,
    /// How the answer is to be compressed, and how hard.
    pub answer_encoding: Option<Encoding>,
    pub level: u32,
    pub answer_in_blocks: bool,
    /// How the body is compressed.
    pub body_encoding: Option<Encoding>,
    pub body_in_blocks: bool,
    pub check_sums: bool,
    pub credentials: Option<Credentials>,
    /// The body is a form with this boundary, and holds text, parameters and tables.
    pub form: Option<String>,
    /// The protocol's revision whose form of blocks the client reads; 0 for that of a file.
    pub revision: u64,
    /// What the URL says of the form's tables.
    pub external: Shapes,
}

/// What a query may do, from all to least.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    #[default]
    ReadWrite,
    /// Only to read, with any settings: a GET, and the server's `readonly = 2`.
    Reads,
    /// Only to read what is in the engine, with few settings: the server's `readonly = 1`.
    ReadOnly,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// A `session_id`, and for how long it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) seconds: u32,
    /// It has to be there already.
    pub(crate) check: bool,
    /// It ends with this request.
    pub(crate) close: bool,
}

/// Parameters of the interface that are no settings and need nothing from us.
const IGNORED: [&str; 3] = ["quota_key", "stacktrace", ""];

/// The server's level of compression, and the most there is.
const LEVEL: u32 = 3;
const MOST_LEVEL: u32 = 9;

/// How long a session waits for its next request: the server's default, and the most it allows.
const SESSION_SECONDS: u32 = 60;
const MOST_SESSION_SECONDS: u32 = 3600;

impl Query {
    /// Reads a request's head.
    pub(crate) fn parse(
        method: &Method,
        url: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Self, Exception> {
        let mut query = Self {
            level: LEVEL,
            check_sums: true,
            ..Self::default()
        };
        if method != Method::POST {
            query.access = Access::Reads;
        }
        if let Some(kind) = header(headers, "content-type")
            && kind.starts_with("multipart/form-data")
        {
            query.form = Some(multipart::boundary(kind)?);
        }
        let mut asked = Asked::default();
        for (name, value) in pairs(url.unwrap_or_default()) {
            let name = text(name, "parameter name")?;
            if name == "query" {
                query.text = value;
            } else {
                let value = text(value, &name)?;
                query.read_parameter(&mut asked, name, value)?;
            }
        }
        query.session = asked.session()?;
        query.read_headers(headers, asked)?;
        if let Some(format) = &query.default_format
            && !is_word(format)
        {
            let text = format!("Unknown format {format}");
            return Err(Exception::new(Code::UnknownFormat, text));
        }
        Ok(query)
    }

    fn read_parameter(
        &mut self,
        asked: &mut Asked,
        name: String,
        value: String,
    ) -> Result<(), Exception> {
        if self.form.is_some() && self.read_shape(&name, &value) {
            return Ok(());
        }
        match name.as_str() {
            "database" => self.database = non_empty(value),
            "default_format" => self.default_format = non_empty(value),
            "query_id" => self.query_id = non_empty(value),
            "user" => asked.user = Some(value),
            "password" => asked.password = Some(value),
            "wait_end_of_query" | "http_wait_end_of_query" => self.wait_end = flag(&name, &value)?,
            "buffer_size" | "http_response_buffer_size" => {
                let bytes = number(&name, &value)?;
                self.buffer_size = usize::try_from(bytes).unwrap_or(usize::MAX);
            }
            "send_progress_in_http_headers" => self.progress.told = flag(&name, &value)?,
            MARK => self.progress.every_ms = Some(number(&name, &value)?),
            "enable_http_compression" => asked.uncompressed = !flag(&name, &value)?,
            "http_zlib_compression_level" => {
                let level = number(&name, &value)?;
                self.level = u32::try_from(level).map_or(MOST_LEVEL, |level| level.min(MOST_LEVEL));
            }
            "http_native_compression_disable_checksumming_on_decompress" => {
                self.check_sums = !flag(&name, &value)?;
            }
            "compress" => self.answer_in_blocks = flag(&name, &value)?,
            "decompress" => self.body_in_blocks = flag(&name, &value)?,
            "client_protocol_version" => self.revision = number(&name, &value)?,
            "session_id" => asked.session_id = Some(value),
            "session_timeout" => asked.session_timeout = Some(value),
            "session_check" => asked.session_check = value == "1",
            "close_session" => asked.close_session = flag(&name, &value)?,
            "replace_running_query" => self.replaces = flag(&name, &value)?,
            "readonly" => {
                let access = match number(&name, &value)? {
                    0 => Access::ReadWrite,
                    1 => Access::ReadOnly,
                    _ => Access::Reads,
                };
                self.access = self.access.max(access);
            }
            "role" => {
                return Err(Exception::new(
                    Code::NotImplemented,
                    "URL parameter role is not supported here: there are no roles",
                ));
            }
            ignored if IGNORED.contains(&ignored) => {}
            _ => match name.strip_prefix("param_") {
                Some(parameter) => self.params.push((parameter.to_owned(), value)),
                None if is_word(&name) => self.settings.push((name, value)),
                None => {
                    let text = format!("Unknown setting '{name}'");
                    return Err(Exception::new(Code::UnknownSetting, text));
                }
            },
        }
        Ok(())
    }

    /// `t_structure` and the like, where a form may hold a file `t`.
    fn read_shape(&mut self, name: &str, value: &str) -> bool {
        let Some((table, what)) = name.rsplit_once('_') else {
            return false;
        };
        // As on the server, this is a parameter even beside a form.
        if table.is_empty() || name == "default_format" {
            return false;
        }
        let mut shape = self.external.remove(table).unwrap_or_default();
        let field = match what {
            "format" => &mut shape.format,
            "structure" => &mut shape.structure,
            "types" => &mut shape.types,
            _ => return false,
        };
        *field = Some(value.to_owned());
        self.external.insert(table.to_owned(), shape);
        true
    }

    fn read_headers(&mut self, headers: &HeaderMap, asked: Asked) -> Result<(), Exception> {
        if let Some(database) = header(headers, "x-clickhouse-database") {
            self.database = Some(database.to_owned());
        }
        if let Some(format) = header(headers, "x-clickhouse-format") {
            self.default_format = Some(format.to_owned());
        }
        if self.query_id.is_none() {
            self.query_id = header(headers, "x-clickhouse-query-id").map(str::to_owned);
        }
        if let Some(encoding) = header(headers, "content-encoding") {
            self.body_encoding = Encoding::of_content(encoding)?;
        }
        if !asked.uncompressed {
            self.answer_encoding = header(headers, "accept-encoding").and_then(Encoding::accepted);
        }
        self.credentials = credentials(headers, asked.user, asked.password)?;
        Ok(())
    }
}

/// What several parameters say together.
#[derive(Default)]
struct Asked {
    user: Option<String>,
    password: Option<String>,
    uncompressed: bool,
    session_id: Option<String>,
    session_timeout: Option<String>,
    session_check: bool,
    close_session: bool,
}

impl Asked {
    fn session(&mut self) -> Result<Option<Session>, Exception> {
        let Some(id) = self.session_id.take() else {
            return Ok(None);
        };
        let refused = |text: String| Err(Exception::new(Code::InvalidSessionTimeout, text));
        let seconds = match self.session_timeout.as_deref() {
            None => SESSION_SECONDS,
            Some(given) => match given.parse() {
                Ok(seconds) if seconds <= MOST_SESSION_SECONDS => seconds,
                Ok(_) => {
                    return refused(format!(
                        "Session timeout '{given}' is larger than max_session_timeout: {MOST_SESSION_SECONDS}"
                    ));
                }
                Err(_) => return refused(format!("Invalid session timeout: '{given}'")),
            },
        };
        Ok(Some(Session {
            id,
            seconds,
            check: self.session_check,
            close: self.close_session,
        }))
    }
}

/// One way of naming oneself at a time, as on the server.
fn credentials(
    headers: &HeaderMap,
    url_user: Option<String>,
    url_password: Option<String>,
) -> Result<Option<Credentials>, Exception> {
    let basic = header(headers, "authorization");
    let header_user = header(headers, "x-clickhouse-user");
    let header_key = header(headers, "x-clickhouse-key");
    let by_headers = header_user.is_some() || header_key.is_some();
    let by_url = url_user.is_some() || url_password.is_some();
    if u8::from(basic.is_some()) + u8::from(by_headers) + u8::from(by_url) > 1 {
        return Err(Exception::new(
            Code::AuthenticationFailed,
            "Invalid authentication: it is not allowed to use more than one of X-ClickHouse HTTP \
             headers, the Authorization HTTP header and authentication via parameters at once",
        ));
    }
    let default_user = || "default".to_owned();
    if let Some(basic) = basic {
        return basic_credentials(basic).map(Some).ok_or_else(|| {
            Exception::new(
                Code::AuthenticationFailed,
                "Invalid authentication: only the 'Basic' HTTP Authorization scheme is supported",
            )
        });
    }
    if by_headers {
        return Ok(Some(Credentials {
            user: header_user.map_or_else(default_user, str::to_owned),
            password: header_key.unwrap_or_default().to_owned(),
        }));
    }
    Ok(by_url.then(|| Credentials {
        user: url_user.unwrap_or_else(default_user),
        password: url_password.unwrap_or_default(),
    }))
}

fn basic_credentials(value: &str) -> Option<Credentials> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = data_encoding::BASE64
        .decode(encoded.trim().as_bytes())
        .ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// A header's value; empty counts as absent, as on the server.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|value| !value.is_empty())
}

fn pairs(url: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    url.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(part: &str) -> Vec<u8> {
    let spaced: Vec<u8> = part
        .bytes()
        .map(|byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    percent_decode(&spaced).collect()
}

pub(crate) fn text(bytes: Vec<u8>, name: &str) -> Result<String, Exception> {
    String::from_utf8(bytes)
        .map_err(|_| Exception::new(Code::BadArguments, format!("{name} is not UTF-8")))
}

fn non_empty(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

fn flag(name: &str, value: &str) -> Result<bool, Exception> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" | "" => Ok(false),
        _ => Err(bad_value(name, value)),
    }
}

fn number(name: &str, value: &str) -> Result<u64, Exception> {
    value.parse().map_err(|_| bad_value(name, value))
}

fn bad_value(name: &str, value: &str) -> Exception {
    Exception::new(
        Code::BadArguments,
        format!("Cannot read the value '{value}' of {name}"),
    )
}

/// Names of settings and formats go into statements unquoted, so they must be words.
fn is_word(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, headers: &[(&'static str, &str)]) -> Result<Query, u32> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Query::parse(&Method::POST, Some(url), &map).map_err(|exception| exception.code())
    }

    #[test]
    fn parameters_are_told_apart() {
        let query = parse(
            "query=SELECT+%7Bx:UInt8%7D%0A&database=d&default_format=JSON&param_x=1%2B1&max_threads=2&query_id=q&&quota_key=z",
            &[],
        )
        .unwrap();
        assert_eq!(query.text, b"SELECT {x:UInt8}\n");
        assert_eq!(query.database.as_deref(), Some("d"));
        assert_eq!(query.default_format.as_deref(), Some("JSON"));
        assert_eq!(query.query_id.as_deref(), Some("q"));
        assert_eq!(query.params, [("x".to_owned(), "1+1".to_owned())]);
        assert_eq!(query.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert_eq!(query.access, Access::ReadWrite);
    }

    #[test]
    fn a_get_and_a_readonly_setting_are_read_only() {
        let get = Query::parse(&Method::GET, Some("query=SELECT+1"), &HeaderMap::new()).unwrap();
        assert_eq!(get.access, Access::Reads);
        assert_eq!(parse("readonly=1", &[]).unwrap().access, Access::ReadOnly);
        assert_eq!(parse("readonly=2", &[]).unwrap().access, Access::Reads);
        assert_eq!(parse("readonly=0", &[]).unwrap().access, Access::ReadWrite);
        assert_eq!(parse("readonly=x", &[]), Err(36));
    }

    #[test]
    fn credentials_come_in_three_ways_and_never_in_two() {
        let named = |user: &str, password: &str| {
            Some(Credentials {
                user: user.to_owned(),
                password: password.to_owned(),
            })
        };
        assert_eq!(parse("", &[]).unwrap().credentials, None);
        assert_eq!(
            parse("user=u&password=p", &[]).unwrap().credentials,
            named("u", "p")
        );
        assert_eq!(
            parse("password=p", &[]).unwrap().credentials,
            named("default", "p")
        );
        let headers = [("x-clickhouse-user", "u"), ("x-clickhouse-key", "p")];
        assert_eq!(parse("", &headers).unwrap().credentials, named("u", "p"));
        let basic = [("authorization", "Basic dTpwOnE=")];
        assert_eq!(parse("", &basic).unwrap().credentials, named("u", "p:q"));
        assert_eq!(parse("user=u", &basic), Err(516));
        assert_eq!(parse("user=u", &headers), Err(516));
        assert_eq!(parse("", &[("authorization", "Bearer x")]), Err(516));
        assert_eq!(parse("", &[("authorization", "Basic !")]), Err(516));
    }

    #[test]
    fn compression_is_what_the_client_accepts_unless_it_says_no() {
        let accepts = [("accept-encoding", "br;q=0, gzip;q=0.5")];
        let encoding = |url| parse(url, &accepts).unwrap().answer_encoding;
        assert_eq!(encoding(""), Some(Encoding::Gzip));
        assert_eq!(encoding("enable_http_compression=0"), None);
        let sent = |encoding| parse("", &[("content-encoding", encoding)]);
        assert_eq!(sent("zstd").unwrap().body_encoding, Some(Encoding::Zstd));
        assert_eq!(sent("snappy"), Err(48));
        let blocks = parse("compress=1&decompress=true", &[]).unwrap();
        assert!(blocks.answer_in_blocks && blocks.body_in_blocks && blocks.check_sums);
        let level = |url| parse(url, &[]).map(|query| query.level);
        assert_eq!(level("http_zlib_compression_level=99"), Ok(9));
        assert_eq!(level("http_zlib_compression_level=x"), Err(36));
    }

    #[test]
    fn progress_is_the_hosts_business() {
        let query = parse(
            "send_progress_in_http_headers=1&http_headers_progress_interval_ms=20",
            &[],
        );
        let query = query.unwrap();
        let (told, every_ms) = (true, Some(20));
        assert_eq!(query.progress, Wanted { told, every_ms });
        assert!(query.settings.is_empty());
        assert_eq!(parse("http_headers_progress_interval_ms=x", &[]), Err(36));
    }

    #[test]
    fn a_session_has_a_name_and_a_time() {
        let session = |url| parse(url, &[]).map(|query| query.session);
        assert_eq!(session("session_timeout=9"), Ok(None));
        let asked = |seconds, check, close| {
            Ok(Some(Session {
                id: "s".to_owned(),
                seconds,
                check,
                close,
            }))
        };
        assert_eq!(session("session_id=s"), asked(60, false, false));
        assert_eq!(
            session("session_id=s&session_timeout=9&session_check=1&close_session=1"),
            asked(9, true, true)
        );
        assert_eq!(session("session_id=s&session_timeout=3601"), Err(374));
        assert_eq!(session("session_id=s&session_timeout=x"), Err(374));
    }

    #[test]
    fn tables_have_shapes_only_beside_a_form() {
        let url = "t_structure=a+UInt8&t_format=CSV&u_types=Date&default_format=JSON";
        let form = [("content-type", "multipart/form-data; boundary=b")];
        let query = parse(url, &form).unwrap();
        assert_eq!(query.external["t"].structure.as_deref(), Some("a UInt8"));
        assert_eq!(query.external["t"].format.as_deref(), Some("CSV"));
        assert_eq!(query.external["u"].types.as_deref(), Some("Date"));
        assert_eq!(query.default_format.as_deref(), Some("JSON"));
        assert!(query.settings.is_empty());
        assert_eq!(parse(url, &[]).unwrap().settings.len(), 3);
    }

    #[test]
    fn what_is_not_supported_or_no_name_is_said() {
        assert_eq!(parse("role=a", &[]), Err(48));
        assert_eq!(parse("a%20b=1", &[]), Err(115));
        assert_eq!(parse("x%3D1,y=1", &[]), Err(115));
        assert_eq!(parse("database=%FF", &[]), Err(36));
        assert_eq!(parse("default_format=a'b", &[]), Err(73));
    }
}
