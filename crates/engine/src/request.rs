//! What a client asks for, read from the URL and the headers as the server reads them.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode;

use crate::exception::{Code, Exception};
use crate::multipart;

/// One query as asked for; its text may go on in the body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The `query` parameter; the body follows it after a line end.
    pub text: Vec<u8>,
    pub database: Option<String>,
    pub default_format: Option<String>,
    pub query_id: Option<String>,
    /// Engine settings in the order given, without `readonly`.
    pub settings: Vec<(String, String)>,
    /// Values for `{name:Type}`.
    pub params: Vec<(String, String)>,
    pub access: Access,
    /// Hold the whole result back until it is known to be good.
    pub wait_end: bool,
    /// The answer is to be compressed.
    pub gzip_answer: bool,
    /// The body is compressed.
    pub gzip_body: bool,
    pub credentials: Option<Credentials>,
    /// The body is a form with this boundary, and holds text and parameters.
    pub form: Option<String>,
}

/// Whether a query may change anything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// Parameters of the interface that are no settings and need nothing from us.
const IGNORED: [&str; 6] = [
    "quota_key",
    "stacktrace",
    "buffer_size",
    "client_protocol_version",
    "close_session",
    "",
];

/// Parameters whose meaning this host cannot give; ignoring them would change what a query means.
const REFUSED: [&str; 4] = ["session_id", "session_check", "session_timeout", "role"];

impl Query {
    /// Reads a request's head.
    pub(crate) fn parse(
        method: &Method,
        url: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Self, Exception> {
        let mut query = Self::default();
        let mut url_user = None;
        let mut url_password = None;
        let mut compression_asked = false;
        if method == Method::GET || method == Method::HEAD {
            query.access = Access::ReadOnly;
        }
        for (name, value) in pairs(url.unwrap_or_default()) {
            let name = text(name, "parameter name")?;
            if name == "query" {
                query.text = value;
                continue;
            }
            let value = text(value, &name)?;
            match name.as_str() {
                "database" => query.database = non_empty(value),
                "default_format" => query.default_format = non_empty(value),
                "query_id" => query.query_id = non_empty(value),
                "user" => url_user = Some(value),
                "password" => url_password = Some(value),
                "wait_end_of_query" => query.wait_end = flag(&name, &value)?,
                "enable_http_compression" => compression_asked = flag(&name, &value)?,
                "readonly" => {
                    if number(&name, &value)? > 0 {
                        query.access = Access::ReadOnly;
                    }
                }
                "compress" | "decompress" => {
                    if flag(&name, &value)? {
                        return Err(Exception::new(
                            Code::NotImplemented,
                            format!("{name}=1 (LZ4 blocks) is not supported here: use gzip"),
                        ));
                    }
                }
                refused if REFUSED.contains(&refused) => {
                    return Err(Exception::new(
                        Code::NotImplemented,
                        format!(
                            "URL parameter {refused} is not supported here: there are no sessions and no roles"
                        ),
                    ));
                }
                ignored if IGNORED.contains(&ignored) => {}
                _ => match name.strip_prefix("param_") {
                    Some(parameter) => query.params.push((parameter.to_owned(), value)),
                    None => query.settings.push((setting_name(name)?, value)),
                },
            }
        }
        query.read_headers(headers, url_user, url_password, compression_asked)?;
        Ok(query)
    }

    /// Takes over what a form in the body says.
    pub(crate) fn read_form(&mut self, body: &[u8], boundary: &str) -> Result<(), Exception> {
        for (name, value) in multipart::fields(body, boundary)? {
            if name == "query" {
                self.text.extend_from_slice(&value);
            } else if let Some(parameter) = name.strip_prefix("param_") {
                self.params
                    .push((parameter.to_owned(), text(value, &name)?));
            }
        }
        Ok(())
    }

    fn read_headers(
        &mut self,
        headers: &HeaderMap,
        url_user: Option<String>,
        url_password: Option<String>,
        compression_asked: bool,
    ) -> Result<(), Exception> {
        if let Some(database) = header(headers, "x-clickhouse-database") {
            self.database = Some(database.to_owned());
        }
        if let Some(format) = header(headers, "x-clickhouse-format") {
            self.default_format = Some(format.to_owned());
        }
        if self.query_id.is_none() {
            self.query_id = header(headers, "x-clickhouse-query-id").map(str::to_owned);
        }
        self.credentials = credentials(headers, url_user, url_password)?;
        self.gzip_body = match header(headers, "content-encoding") {
            None | Some("identity") => false,
            Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => true,
            Some(encoding) => {
                return Err(Exception::new(
                    Code::NotImplemented,
                    format!("Content-Encoding {encoding} is not supported here: use gzip"),
                ));
            }
        };
        self.gzip_answer = compression_asked
            && header(headers, "accept-encoding").is_some_and(|accepted| {
                accepted.split(',').any(|method| {
                    let (method, weight) = method.split_once(';').unwrap_or((method, ""));
                    method.trim().eq_ignore_ascii_case("gzip") && weight.trim() != "q=0"
                })
            });
        if let Some(kind) = header(headers, "content-type")
            && kind.starts_with("multipart/form-data")
        {
            self.form = Some(multipart::boundary(kind)?);
        }
        Ok(())
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

fn text(bytes: Vec<u8>, name: &str) -> Result<String, Exception> {
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

/// A setting's name goes into a `SET` unquoted, so it must be one.
fn setting_name(name: String) -> Result<String, Exception> {
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if first && rest {
        Ok(name)
    } else {
        Err(Exception::new(
            Code::UnknownSetting,
            format!("Unknown setting '{name}'"),
        ))
    }
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
        assert_eq!(get.access, Access::ReadOnly);
        assert_eq!(parse("readonly=1", &[]).unwrap().access, Access::ReadOnly);
        assert_eq!(parse("readonly=2", &[]).unwrap().access, Access::ReadOnly);
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
    fn compression_is_gzip_on_request() {
        let accepts = [("accept-encoding", "br, gzip;q=0.5")];
        assert!(!parse("", &accepts).unwrap().gzip_answer);
        assert!(
            parse("enable_http_compression=1", &accepts)
                .unwrap()
                .gzip_answer
        );
        let refuses = [("accept-encoding", "gzip;q=0")];
        assert!(
            !parse("enable_http_compression=1", &refuses)
                .unwrap()
                .gzip_answer
        );
        assert!(
            parse("", &[("content-encoding", "gzip")])
                .unwrap()
                .gzip_body
        );
        assert_eq!(parse("", &[("content-encoding", "zstd")]), Err(48));
        assert_eq!(parse("compress=1", &[]), Err(48));
        assert!(parse("compress=0&decompress=0", &[]).is_ok());
    }

    #[test]
    fn what_is_not_supported_is_said() {
        assert_eq!(parse("session_id=a", &[]), Err(48));
        assert_eq!(parse("a%20b=1", &[]), Err(115));
        assert_eq!(parse("x%3D1,y=1", &[]), Err(115));
        assert_eq!(parse("database=%FF", &[]), Err(36));
    }
}
