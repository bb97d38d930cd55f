//! Reading the control members of an object: each is asked for once, and what nobody asked for is
//! unknown. Null stands for an absent member.

use crate::body::{Json, Object};
use crate::issue::{Fault, pointer};
use crate::{Issue, IssueCode};

/// An object being read.
pub(crate) struct Members<'b, 'a> {
    object: &'b Object<'a>,
    at: &'static str,
    asked: Vec<&'static str>,
    issues: &'b mut Vec<Issue>,
}

impl<'b, 'a> Members<'b, 'a> {
    /// Begins with the object that `at` points to.
    pub(crate) fn new(
        object: &'b Object<'a>,
        at: &'static str,
        issues: &'b mut Vec<Issue>,
    ) -> Self {
        Self {
            object,
            at,
            asked: Vec::with_capacity(16),
            issues,
        }
    }

    /// A member and its pointer-to-be; none if it is absent.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'b Json<'a>> {
        self.asked.push(name);
        self.object.get(name).filter(|json| **json != Json::Null)
    }

    /// Notes what is wrong with a member.
    pub(crate) fn fault<T>(&mut self, name: &str, fault: Fault) -> Option<T> {
        self.issues.push(fault.at(pointer(self.at, name)));
        None
    }

    fn wrong<T>(&mut self, name: &str, expected: &'static str) -> Option<T> {
        self.fault(name, Fault::new(IssueCode::WrongType, expected))
    }

    /// A text of at most `max` characters that are not controls.
    pub(crate) fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        match self.get(name)? {
            Json::Text(value) => match plain(value, max) {
                Ok(()) => Some(value.as_ref().to_owned()),
                Err(fault) => self.fault(name, fault),
            },
            _ => self.wrong(name, "expected text"),
        }
    }

    /// A text that some rule turns into a value.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        match self.get(name)? {
            Json::Text(value) => match parse(value) {
                Some(value) => Some(value),
                None => self.fault(name, Fault::new(IssueCode::Invalid, expected)),
            },
            _ => self.wrong(name, expected),
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn int<T: TryFrom<i64>>(
        &mut self,
        name: &'static str,
        min: i64,
        max: i64,
    ) -> Option<T> {
        match self.get(name)? {
            Json::Int(value) if *value < min => {
                let message = format!("at least {min}");
                self.fault(name, Fault::new(IssueCode::TooSmall, message))
            }
            Json::Int(value) if *value > max => {
                let message = format!("at most {max}");
                self.fault(name, Fault::new(IssueCode::TooLarge, message))
            }
            Json::Int(value) => T::try_from(*value).ok(),
            _ => self.wrong(name, "expected a whole number"),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.get(name)? {
            Json::Bool(value) => Some(*value),
            _ => self.wrong(name, "expected true or false"),
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<&'b Object<'a>> {
        match self.get(name)? {
            Json::Object(members) => Some(members),
            _ => self.wrong(name, "expected an object"),
        }
    }

    /// A list of at most `max` texts, each made by `parse`.
    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Vec<T> {
        let Some(json) = self.get(name) else {
            return Vec::new();
        };
        let Json::List(items) = json else {
            self.wrong::<()>(name, "expected a list of texts");
            return Vec::new();
        };
        if items.len() > max {
            let message = format!("at most {max} entries");
            self.fault::<()>(name, Fault::new(IssueCode::TooLong, message));
            return Vec::new();
        }
        let mut values = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let parsed = match item {
                Json::Text(text) => parse(text),
                _ => Err(Fault::new(IssueCode::WrongType, "expected text")),
            };
            match parsed {
                Ok(value) => values.push(value),
                Err(fault) => {
                    let at = pointer(self.at, name);
                    self.issues.push(fault.at(format!("{at}/{n}")));
                }
            }
        }
        values
    }

    /// Notes every member that was not asked for.
    pub(crate) fn finish(self) {
        for name in self.object.keys() {
            if !self.asked.contains(&name.as_ref()) {
                let fault = Fault::new(IssueCode::Unknown, "no such member");
                self.issues.push(fault.at(pointer(self.at, name)));
            }
        }
    }
}

/// Whether a text is short enough and free of control characters.
pub(crate) fn plain(text: &str, max: usize) -> Result<(), Fault> {
    // Bytes are never fewer than characters, so most texts are not counted.
    if text.len() > max && text.chars().count() > max {
        let message = format!("at most {max} characters");
        return Err(Fault::new(IssueCode::TooLong, message));
    }
    if text.chars().any(char::is_control) {
        let message = "contains control characters";
        return Err(Fault::new(IssueCode::Invalid, message));
    }
    Ok(())
}
