//! Attributes of an object or entries of a map: a vector, sorted by name.
//!
//! Most objects have a handful of attributes and are never changed once they are made, and there are hundreds of thousands of
//! them. Invariants: sorted, each name once. Collecting is linear where the names come in order and sorts once where they do
//! not; [`Entries::insert`] moves what comes after the name, so it is for the few attributes of a schema, and whoever
//! has many collects them.

use crate::value::Value;
use std::fmt;
use std::iter::FusedIterator;
use std::slice;
use std::sync::Arc;
use std::vec;

type Entry = (Arc<str>, Value);

/// Values by name.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entries(Vec<Entry>);

impl Entries {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.as_ref().cmp(name))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.get_key_value(name).map(|(_, value)| value)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.position(name).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// The value of a name, and the name as it is kept here.
    pub fn get_key_value(&self, name: &str) -> Option<(&Arc<str>, &Value)> {
        let (name, value) = self.0.get(self.position(name).ok()?)?;
        Some((name, value))
    }

    /// Whether there is a value of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Gives a name a value; the one that it had comes back. Not for many names that come in any order.
    pub fn insert(&mut self, name: Arc<str>, value: Value) -> Option<Value> {
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, value));
            return None;
        }
        match self.position(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// Takes out the value of a name.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.position(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// By name.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// The names, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Arc<str>> + ExactSizeIterator + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values, by name.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, by name, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl FromIterator<Entry> for Entries {
    /// Of several values of one name the last counts.
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        if !entries.is_sorted_by(|(left, _), (right, _)| left < right) {
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            entries.dedup_by(|later, earlier| {
                let is_again = later.0 == earlier.0;
                if is_again {
                    std::mem::swap(later, earlier);
                }
                is_again
            });
        }
        entries.shrink_to_fit();
        Self(entries)
    }
}

impl Extend<Entry> for Entries {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        let own = std::mem::take(&mut self.0);
        *self = own.into_iter().chain(entries).collect();
    }
}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = (&'a Arc<str>, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

/// Entries by name.
#[derive(Clone, Debug)]
pub struct Iter<'a>(slice::Iter<'a, Entry>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Arc<str>, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(name, value)| (name, value))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn entry(number: u32) -> Entry {
        (format!("{:03}", number % 97).into(), i64::from(number).into())
    }

    #[test]
    fn they_are_what_a_tree_would_be() {
        let numbers = || (0..400_u32).map(|at| at.wrapping_mul(2_654_435_761) >> 7);
        let tree: BTreeMap<_, _> = numbers().map(entry).collect();
        let collected: Entries = numbers().map(entry).collect();
        let mut inserted = Entries::new();
        let mut extended: Entries = numbers().take(100).map(entry).collect();
        for (name, value) in numbers().map(entry) {
            inserted.insert(name, value);
        }
        extended.extend(numbers().skip(100).map(entry));
        for entries in [&collected, &inserted, &extended] {
            assert!(entries.iter().eq(&tree));
            assert!(entries.iter().rev().eq(tree.iter().rev()));
            assert_eq!(entries.len(), tree.len());
            assert!(entries.keys().eq(tree.keys()) && entries.values().eq(tree.values()));
        }
        for (name, value) in &tree {
            assert_eq!(inserted.get(name), Some(value));
            assert_eq!(inserted.remove(name), Some(value.clone()));
            assert!(!inserted.contains_key(name));
        }
        assert!(inserted.is_empty());
        assert_eq!(collected.get("x"), None);
    }
}
