//! Where a ClickHouse is and who asks, and the encrypted way there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// A server closes what was idle for three seconds; whoever writes on a connection that is being closed is
/// told nothing.
const IDLE: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// The longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A ClickHouse, and who asks it.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// Its HTTP interface: `http://` or `https://`.
    pub url: &'a str,
    /// The user.
    pub user: &'a str,
    /// The user's password.
    pub password: &'a str,
    /// The database; made where it is absent.
    pub database: &'a str,
    /// Whom `https://` trusts instead of the public authorities: certificates as PEM.
    pub authorities: Option<&'a [u8]>,
    /// On how many replicas rows have to be to count as written, where tables are replicated; none: on
    /// most of them.
    pub quorum: Option<u8>,
}

impl<'a> Address<'a> {
    /// The default user's, without a password; public authorities are trusted.
    pub const fn new(url: &'a str, database: &'a str) -> Self {
        Self {
            url,
            user: "default",
            password: "",
            database,
            authorities: None,
            quorum: None,
        }
    }
}

/// The password is nobody's to read.
impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("url", &self.url)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// No encrypted connection can be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What should hold certificates does not.
    #[error("no authorities to trust: {0}")]
    Authorities(String),
    /// The TLS library refuses.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

impl Address<'_> {
    /// Someone who asks there, of no database yet; nothing is sent.
    pub(crate) fn client(&self) -> Result<Client, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(self.authorities)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Client::with_http_client(http)
            .with_url(self.url)
            .with_user(self.user)
            .with_password(self.password))
    }
}

fn tls(authorities: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let trusted = match authorities {
        Some(pem) => read(pem)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(config)
}

fn read(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let bad = |error: &dyn fmt::Display| TlsError::Authorities(error.to_string());
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| bad(&error))?;
        trusted.add(certificate).map_err(|error| bad(&error))?;
    }
    match trusted.is_empty() {
        true => Err(bad(&"there is no certificate in it")),
        false => Ok(trusted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(authorities: Option<&[u8]>) -> Address<'_> {
        Address {
            password: "a-secret",
            authorities,
            ..Address::new("https://clickhouse.example:8443", "gavel")
        }
    }

    #[test]
    fn authorities_are_certificates_or_the_public_ones() {
        assert!(address(None).client().is_ok());
        for (pem, why) in [
            ("", "there is no certificate in it"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "invalid peer certificate: BadEncoding",
            ),
        ] {
            let refused = address(Some(pem.as_bytes())).client().err();
            let refused = refused.map(|error| error.to_string());
            assert_eq!(refused, Some(format!("no authorities to trust: {why}")));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", address(None));
        assert!(shown.contains("clickhouse.example"), "{shown}");
        assert!(!shown.contains("a-secret"), "{shown}");
    }
}
