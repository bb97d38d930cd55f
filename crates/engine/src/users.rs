//! Who may ask: the engine inside has no users, so its host checks name and password.
//!
//! A users file has one user a line: `name sha256:<hex of the password's SHA-256> [readonly]`;
//! `#` starts a comment. The digest is not salted, so passwords must be long and random.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::exception::{Code, Exception};
use crate::request::{Access, Credentials};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// User `default` without a password: only for loopback.
    Open,
    Listed(Vec<User>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    digest: [u8; 32],
    access: Access,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UsersError {
    #[error("line {line}: expected `name sha256:<64 hex digits> [readonly]`")]
    Line { line: usize },
    #[error("line {line}: user {name} is listed twice")]
    Twice { line: usize, name: String },
    #[error("no user is listed")]
    Empty,
}

impl User {
    pub fn new(name: impl Into<String>, password: &str, access: Access) -> Self {
        Self {
            name: name.into(),
            digest: Sha256::digest(password.as_bytes()).into(),
            access,
        }
    }

    /// The user's line in a users file.
    pub fn line(&self) -> String {
        let digest = data_encoding::HEXLOWER.encode(&self.digest);
        let access = match self.access {
            Access::ReadWrite => "",
            Access::Reads | Access::ReadOnly => " readonly",
        };
        format!("{} sha256:{digest}{access}\n", self.name)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?.to_owned();
        let digest = words.next()?.strip_prefix("sha256:")?;
        let digest = data_encoding::HEXLOWER_PERMISSIVE
            .decode(digest.as_bytes())
            .ok()?;
        let access = match words.next() {
            None => Access::ReadWrite,
            Some("readonly") => Access::ReadOnly,
            Some(_) => return None,
        };
        words.next().is_none().then_some(())?;
        Some(Self {
            name,
            digest: digest.try_into().ok()?,
            access,
        })
    }
}

impl Users {
    /// Reads a users file's text.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut users: Vec<User> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let user = User::parse(line).ok_or(UsersError::Line { line: line_number })?;
            if users.iter().any(|listed| listed.name == user.name) {
                return Err(UsersError::Twice {
                    line: line_number,
                    name: user.name,
                });
            }
            users.push(user);
        }
        if users.is_empty() {
            return Err(UsersError::Empty);
        }
        Ok(Self::Listed(users))
    }

    /// What the caller may do, or the server's refusal. An unknown name takes as long as a wrong
    /// password.
    pub fn check(&self, credentials: Option<&Credentials>) -> Result<Access, Exception> {
        let unnamed = Credentials {
            user: "default".to_owned(),
            password: String::new(),
        };
        let given = credentials.unwrap_or(&unnamed);
        let open = [User::new("default", "", Access::ReadWrite)];
        let users = match self {
            Self::Open => &open[..],
            Self::Listed(users) => users,
        };
        let digest: [u8; 32] = Sha256::digest(given.password.as_bytes()).into();
        let user = users.iter().find(|user| user.name == given.user);
        let expected = user.map_or([0; 32], |user| user.digest);
        let same: bool = expected.ct_eq(&digest).into();
        match user {
            Some(user) if same => Ok(user.access),
            _ => Err(Exception::new(
                Code::AuthenticationFailed,
                format!(
                    "{}: Authentication failed: password is incorrect, or there is no user with \
                     such name",
                    given.user
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(user: &str, password: &str) -> Credentials {
        Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn a_file_lists_users() {
        let worker = User::new("worker", "secret", Access::ReadWrite).line();
        let reader = User::new("reader", "look", Access::ReadOnly).line();
        let users = Users::parse(&format!("# who\n\n{worker}{reader}")).unwrap();
        assert_eq!(
            users.check(Some(&given("worker", "secret"))),
            Ok(Access::ReadWrite)
        );
        assert_eq!(
            users.check(Some(&given("reader", "look"))),
            Ok(Access::ReadOnly)
        );
        for wrong in [
            given("worker", "look"),
            given("nobody", ""),
            given("default", ""),
        ] {
            assert_eq!(
                users.check(Some(&wrong)).unwrap_err().code(),
                516,
                "{wrong:?}"
            );
        }
        assert_eq!(users.check(None).unwrap_err().code(), 516);
    }

    #[test]
    fn without_a_file_there_is_default() {
        assert_eq!(Users::Open.check(None), Ok(Access::ReadWrite));
        assert_eq!(
            Users::Open.check(Some(&given("default", ""))),
            Ok(Access::ReadWrite)
        );
        assert!(Users::Open.check(Some(&given("default", "x"))).is_err());
        assert!(Users::Open.check(Some(&given("other", ""))).is_err());
    }

    #[test]
    fn a_bad_file_is_refused() {
        assert_eq!(Users::parse("# nobody\n"), Err(UsersError::Empty));
        assert_eq!(
            Users::parse("\nworker plain"),
            Err(UsersError::Line { line: 2 })
        );
        assert_eq!(
            Users::parse("worker sha256:00"),
            Err(UsersError::Line { line: 1 })
        );
        let user = User::new("worker", "secret", Access::ReadWrite).line();
        assert!(matches!(
            Users::parse(&format!("{user}{user}")),
            Err(UsersError::Twice { line: 2, .. })
        ));
    }
}
