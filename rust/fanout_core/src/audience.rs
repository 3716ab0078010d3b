//! Names of audiences, each kept once in memory however many rooms and tickets use it.

use std::borrow::Borrow;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::lock::lock;

/// The name of an audience, `branch:5:kitchen`. A clone is a reference, and costs no allocation.
///
/// A name alone names nobody: it has meaning inside a [`crate::id::Room`], hence inside one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AudienceKey(Arc<str>);

impl AudienceKey {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AudienceKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The table of names, each with the number of (room, audience) groups that use it. Thread-safe; its lock is a leaf.
///
/// Keys are equal when their names are, so one that outlives its entry here (in a ticket) loses nothing by it. Names are
/// made by the gateway from checked integers, so a fast hash that an attacker could flood is safe here.
#[derive(Debug, Default)]
pub struct AudienceTable {
    groups: Mutex<FxHashMap<AudienceKey, usize>>,
}

impl AudienceTable {
    /// The key of a name, for somebody who is about to enter the audience; [`AudienceTable::settle`] must follow.
    pub fn intern(&self, name: &str) -> AudienceKey {
        let mut groups = lock(&self.groups);
        if let Some((key, _)) = groups.get_key_value(name) {
            return key.clone();
        }
        let key = AudienceKey(Arc::from(name));
        groups.insert(key.clone(), 0);
        key
    }

    /// Count the groups that a change of an index made and ended; names that no group uses are forgotten.
    pub fn settle(&self, occupied: &[AudienceKey], vacated: &[AudienceKey]) {
        if occupied.is_empty() && vacated.is_empty() {
            return;
        }
        let mut groups = lock(&self.groups);
        for key in occupied {
            *groups.entry(key.clone()).or_default() += 1;
        }
        for key in vacated {
            if let Some(count) = groups.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    groups.remove(key);
                }
            }
        }
    }

    /// The keys of those names that somebody uses. A name that nobody uses has no members, so it can be left out.
    pub fn find<S: AsRef<str>>(&self, names: &[S]) -> Arc<[AudienceKey]> {
        let groups = lock(&self.groups);
        let known = |name: &S| {
            groups
                .get_key_value(name.as_ref())
                .map(|(key, _)| key.clone())
        };
        names.iter().filter_map(known).collect()
    }

    /// How many names are kept.
    pub fn len(&self) -> usize {
        lock(&self.groups).len()
    }

    /// Whether no name is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let table = AudienceTable::default();
        let one = table.intern("branch:5:kitchen");
        let two = table.intern("branch:5:kitchen");
        assert!(Arc::ptr_eq(&one.0, &two.0));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_name_is_forgotten_with_its_last_group() {
        let table = AudienceTable::default();
        let key = table.intern("sector:9:waiters");
        let two_rooms = [key.clone(), key.clone()];
        table.settle(&two_rooms, &[]);
        table.settle(&[], &two_rooms[..1]);
        assert_eq!(table.len(), 1, "the other room still uses it");
        table.settle(&[], &two_rooms[1..]);
        assert!(table.is_empty());
    }

    #[test]
    fn a_name_that_moves_from_room_to_room_is_kept() {
        let table = AudienceTable::default();
        let key = table.intern("sector:9:waiters");
        table.settle(std::slice::from_ref(&key), &[]);
        table.settle(std::slice::from_ref(&key), std::slice::from_ref(&key));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn names_that_nobody_uses_are_left_out() {
        let table = AudienceTable::default();
        table.intern("a");
        let found = table.find(&["b", "a", "c"]);
        assert_eq!(
            found.iter().map(AudienceKey::as_str).collect::<Vec<_>>(),
            ["a"]
        );
    }
}
