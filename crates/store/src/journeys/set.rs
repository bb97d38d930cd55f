//! A set in order, of a few things: a sorted vector.

use litemap::LiteMap;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set<T>(LiteMap<T, ()>);

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(LiteMap::new_vec())
    }
}

impl<T: Ord> Set<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, item: &T) -> bool {
        self.0.contains_key(item)
    }

    /// Whether it was not there.
    pub(super) fn insert(&mut self, item: T) -> bool {
        self.0.insert(item, ()).is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut set = Self::default();
        for item in items {
            set.insert(item);
        }
        set
    }
}
