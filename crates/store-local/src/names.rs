//! Names as small numbers: what is kept of millions of leads names the same few parties again and
//! again. A name is never forgotten; there are as many as catalogs ever had.

use std::collections::HashMap;
use std::sync::Arc;

/// A name's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(u32);

#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<str>, Name>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The number of a name, made if it is new.
    pub(crate) fn number(&mut self, name: &str) -> Name {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let number = Name(self.names.len() as u32);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    /// The number of a name that is known.
    pub(crate) fn find(&self, name: &str) -> Option<Name> {
        self.numbers.get(name).copied()
    }

    /// The name of a number that this has given.
    pub(crate) fn name(&self, number: Name) -> &str {
        self.names.get(number.0 as usize).map_or("", |name| &**name)
    }
}
