//! Who may ask: the engine inside has no users, so its host checks name and password.
//!
//! A users file has one user a line; `#` starts a comment:
//!
//! ```text
//! name  password  [writer|readonly]  [limit=number ..]
//! ```
//!
//! The password is `sha256:<hex>`, `double_sha1:<hex>` (as the server keeps them; not salted, so passwords must
//! be long and random), or `none`. A limit is one of the engine's settings in `LIMITS`, which the user may
//! only lower, or `max_concurrent_queries_for_user`.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::exception::{Code, Exception};
use crate::request::{Access, Credentials};

/// What a user may be limited in, beside queries at once.
pub const LIMITS: [&str; 7] = [
    "max_memory_usage",
    "max_execution_time",
    "max_rows_to_read",
    "max_bytes_to_read",
    "max_result_rows",
    "max_result_bytes",
    "max_threads",
];
const MOST_QUERIES: &str = "max_concurrent_queries_for_user";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// User `default` without a password: only for loopback.
    Open,
    Listed(Vec<User>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    password: Password,
    access: Access,
    limits: Vec<(&'static str, u64)>,
    most_queries: Option<usize>,
}

/// What is kept of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Password {
    /// None is asked for.
    Unneeded,
    Sha256([u8; 32]),
    DoubleSha1([u8; 20]),
}

/// A user whose password was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) access: Access,
    pub(crate) limits: Vec<(&'static str, u64)>,
    pub(crate) most_queries: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UsersError {
    #[error(
        "line {line}: expected `name password [writer|readonly] [limit=number ..]` with a password \
         `sha256:<64 hex digits>`, `double_sha1:<40 hex digits>` or `none`"
    )]
    Line { line: usize },
    #[error("line {line}: `{word}` is no limit: there are {MOST_QUERIES}, {}", LIMITS.join(", "))]
    Limit { line: usize, word: String },
    #[error("line {line}: user {name} is listed twice")]
    Twice { line: usize, name: String },
    #[error("no user is listed")]
    Empty,
}

impl User {
    pub fn new(name: impl Into<String>, password: &str, access: Access) -> Self {
        Self::with(name, Password::Sha256(sha256(password)), access)
    }

    /// One who needs no password: only for loopback.
    pub fn open(name: impl Into<String>, access: Access) -> Self {
        Self::with(name, Password::Unneeded, access)
    }

    fn with(name: impl Into<String>, password: Password, access: Access) -> Self {
        Self {
            name: name.into(),
            password,
            access,
            limits: Vec::new(),
            most_queries: None,
        }
    }

    /// The user's line in a users file.
    pub fn line(&self) -> String {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let password = match &self.password {
            Password::Unneeded => "none".to_owned(),
            Password::Sha256(digest) => format!("sha256:{}", hex(digest)),
            Password::DoubleSha1(digest) => format!("double_sha1:{}", hex(digest)),
        };
        let access = match self.access {
            Access::ReadWrite => "writer",
            Access::Reads | Access::ReadOnly => "readonly",
        };
        let mut line = format!("{} {password} {access}", self.name);
        let most = self.most_queries.map(|most| (MOST_QUERIES, most as u64));
        for (name, most) in self.limits.iter().copied().chain(most) {
            line.push_str(&format!(" {name}={most}"));
        }
        line.push('\n');
        line
    }

    fn parse(text: &str, line: usize) -> Result<Self, UsersError> {
        let malformed = UsersError::Line { line };
        let mut words = text.split_ascii_whitespace().peekable();
        let (Some(name), Some(password)) = (words.next(), words.next()) else {
            return Err(malformed);
        };
        let Some(password) = Password::parse(password) else {
            return Err(malformed);
        };
        let access = match words.next_if(|word| !word.contains('=')) {
            None | Some("writer") => Access::ReadWrite,
            Some("readonly") => Access::ReadOnly,
            Some(_) => return Err(malformed),
        };
        let mut user = Self::with(name, password, access);
        for word in words {
            let limited = word.split_once('=').and_then(|(name, most)| {
                let most: u64 = most.parse().ok().filter(|most| *most > 0)?;
                user.limit(name, most)
            });
            limited.ok_or_else(|| UsersError::Limit {
                line,
                word: word.to_owned(),
            })?;
        }
        Ok(user)
    }

    fn limit(&mut self, name: &str, most: u64) -> Option<()> {
        if name == MOST_QUERIES {
            self.most_queries = Some(usize::try_from(most).ok()?);
        } else {
            let known = LIMITS.into_iter().find(|known| *known == name)?;
            self.limits.push((known, most));
        }
        Some(())
    }

    fn known(&self) -> Known {
        Known {
            name: self.name.clone(),
            access: self.access,
            limits: self.limits.clone(),
            most_queries: self.most_queries,
        }
    }
}

impl Password {
    fn parse(word: &str) -> Option<Self> {
        fn digest<const N: usize>(hex: &str) -> Option<[u8; N]> {
            let hex = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
            hex.ok()?.try_into().ok()
        }
        match word.split_once(':') {
            None => (word == "none").then_some(Self::Unneeded),
            Some(("sha256", hex)) => digest(hex).map(Self::Sha256),
            Some(("double_sha1", hex)) => digest(hex).map(Self::DoubleSha1),
            Some(_) => None,
        }
    }

    fn is(&self, given: &str) -> bool {
        match self {
            Self::Unneeded => true,
            Self::Sha256(digest) => digest.ct_eq(&sha256(given)).into(),
            Self::DoubleSha1(digest) => {
                let once: [u8; 20] = Sha1::digest(given.as_bytes()).into();
                let twice: [u8; 20] = Sha1::digest(once).into();
                digest.ct_eq(&twice).into()
            }
        }
    }
}

fn sha256(password: &str) -> [u8; 32] {
    Sha256::digest(password.as_bytes()).into()
}

impl Users {
    /// Reads a users file's text.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut users: Vec<User> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let user = User::parse(text, line)?;
            if users.iter().any(|listed| listed.name == user.name) {
                let name = user.name;
                return Err(UsersError::Twice { line, name });
            }
            users.push(user);
        }
        if users.is_empty() {
            return Err(UsersError::Empty);
        }
        Ok(Self::Listed(users))
    }

    /// Whether somebody gets in without a password, so that the host must be out of reach for others.
    pub(crate) fn lets_strangers_in(&self) -> bool {
        match self {
            Self::Open => true,
            Self::Listed(users) => users.iter().any(|user| user.password == Password::Unneeded),
        }
    }

    /// Who the caller is, or the server's refusal. An unknown name takes as long as a wrong password.
    pub(crate) fn check(&self, credentials: Option<&Credentials>) -> Result<Known, Exception> {
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
        let user = users.iter().find(|user| user.name == given.user);
        let nobody = Password::Sha256([0; 32]);
        let right = user
            .map_or(nobody, |user| user.password)
            .is(&given.password);
        match user {
            Some(user) if right => Ok(user.known()),
            _ => Err(Exception::new(
                // A browser that named nobody is to ask its user.
                match credentials {
                    None => Code::RequiredPassword,
                    Some(_) => Code::AuthenticationFailed,
                },
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
        // `SELECT hex(SHA1(SHA1('twice')))`
        let twice = "old double_sha1:3e391c3c6e48d9d0ddcc2b5f2b1ec35dc0d4ba4f max_threads=2 max_concurrent_queries_for_user=3\n";
        let guest = User::open("guest", Access::ReadOnly).line();
        let users = Users::parse(&format!("# who\n\n{worker}{reader}{guest}{twice}")).unwrap();
        let access = |user: &str, password: &str| {
            let known = users.check(Some(&given(user, password)));
            known
                .map(|known| known.access)
                .map_err(|error| error.code())
        };
        assert_eq!(access("worker", "secret"), Ok(Access::ReadWrite));
        assert_eq!(access("reader", "look"), Ok(Access::ReadOnly));
        assert_eq!(access("guest", ""), Ok(Access::ReadOnly));
        for (user, password) in [("worker", "look"), ("nobody", ""), ("default", "")] {
            assert_eq!(access(user, password), Err(516), "{user}");
        }
        assert_eq!(users.check(None).unwrap_err().code(), 194);
        assert!(users.lets_strangers_in());
        let Users::Listed(listed) = &users else {
            panic!("not listed");
        };
        assert_eq!(listed[3].limits, [("max_threads", 2)]);
        assert_eq!(listed[3].most_queries, Some(3));
        let lines: String = listed.iter().map(User::line).collect();
        assert_eq!(Users::parse(&lines).as_ref(), Ok(&users));
    }

    #[test]
    fn a_password_hashed_twice_is_compared_as_the_server_does() {
        let once: [u8; 20] = Sha1::digest(b"twice").into();
        let twice = Password::DoubleSha1(Sha1::digest(once).into());
        assert!(twice.is("twice") && !twice.is("once"));
    }

    #[test]
    fn without_a_file_there_is_default() {
        let check = |credentials: Option<&Credentials>| Users::Open.check(credentials);
        assert!(check(None).is_ok());
        assert!(check(Some(&given("default", ""))).is_ok());
        assert!(check(Some(&given("default", "x"))).is_err());
        assert!(check(Some(&given("other", ""))).is_err());
    }

    #[test]
    fn a_bad_file_is_refused() {
        assert_eq!(Users::parse("# nobody\n"), Err(UsersError::Empty));
        for bad in [
            "worker plain",
            "worker sha256:00",
            "worker",
            "worker none admin",
        ] {
            assert_eq!(
                Users::parse(&format!("\n{bad}")),
                Err(UsersError::Line { line: 2 }),
                "{bad}"
            );
        }
        for bad in ["max_nonsense=1", "max_threads=0", "max_threads=x", "more"] {
            let line = format!("worker none writer {bad}");
            let read = Users::parse(&line);
            assert!(
                matches!(read, Err(UsersError::Limit { line: 1, .. })),
                "{bad}"
            );
        }
        let user = User::new("worker", "secret", Access::ReadWrite).line();
        assert!(matches!(
            Users::parse(&format!("{user}{user}")),
            Err(UsersError::Twice { line: 2, .. })
        ));
    }
}
