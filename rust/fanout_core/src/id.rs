//! Rooms, connections, tickets, owners: integers that cannot be mixed up.

use std::fmt;

use crate::error::Error;

/// Largest tenant, branch and connection id: the largest integer that JavaScript holds exactly (RFC 7493 §2.2).
pub const MAX_ID: i64 = (1 << 53) - 1;

/// One branch of one tenant. The tenant is part of the key, so another tenant's branch cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Room {
    tenant: i64,
    branch: i64,
}

impl Room {
    /// A room, if both numbers are ids.
    ///
    /// # Errors
    /// [`Error::RoomRange`] when one of them is not 1 to [`MAX_ID`].
    pub fn new(tenant: i64, branch: i64) -> Result<Self, Error> {
        if (1..=MAX_ID).contains(&tenant) && (1..=MAX_ID).contains(&branch) {
            Ok(Self { tenant, branch })
        } else {
            Err(Error::RoomRange { tenant, branch })
        }
    }

    /// The tenant whose room it is.
    #[must_use]
    pub fn tenant(self) -> i64 {
        self.tenant
    }

    /// The branch, whose number another tenant may use too.
    #[must_use]
    pub fn branch(self) -> i64 {
        self.branch
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room {}/{}", self.tenant, self.branch)
    }
}

/// A connection of this node, never reused while the process lives. Ids grow, so a smaller one is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(i64);

impl ConnectionId {
    /// A connection's id; 0 is where listing begins, so it is nobody's.
    ///
    /// # Errors
    /// [`Error::ConnectionRange`] when it is not 1 to [`MAX_ID`].
    pub fn new(id: i64) -> Result<Self, Error> {
        if (1..=MAX_ID).contains(&id) {
            Ok(Self(id))
        } else {
            Err(Error::ConnectionRange(id))
        }
    }

    /// Where a listing goes on: a place in the order of ids, 0 or more, whether or not it is anybody's.
    #[must_use]
    pub fn cursor(place: i64) -> Self {
        Self(place.max(0))
    }

    /// Behind every id.
    pub(crate) const END: Self = Self(i64::MAX);

    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An admitted event that is under way, numbered in the order of admission from 1.
///
/// A stay in an audience remembers the first ticket that it is entitled to, so the two are compared. At a million
/// events a second the numbers last 290,000 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub i64);

/// Who alone touches a connection: the event loop, or one reactor thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u16);

/// The event loop, which owns every ASGI connection.
pub const EVENT_LOOP: OwnerId = OwnerId(0);

impl OwnerId {
    /// A reactor, counted from 0.
    #[must_use]
    pub fn reactor(number: u16) -> Self {
        Self(number + 1)
    }

    /// Where the owner stands in a table of all.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of owners, as bits; there are at most 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owners(u64);

impl Owners {
    /// Whether the event loop is one of them.
    #[must_use]
    pub fn has_event_loop(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether any of them is a reactor.
    #[must_use]
    pub fn has_reactors(self) -> bool {
        self.0 > 1
    }

    /// Those of them that are reactors.
    pub fn reactors(self) -> impl Iterator<Item = OwnerId> {
        (1..64)
            .map(OwnerId)
            .filter(move |owner| self.0 >> owner.0 & 1 != 0)
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

impl FromIterator<OwnerId> for Owners {
    fn from_iter<I: IntoIterator<Item = OwnerId>>(owners: I) -> Self {
        Self(
            owners
                .into_iter()
                .fold(0, |bits, owner| bits | 1 << owner.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_at_one_and_ends_where_javascript_does() {
        for good in [1, MAX_ID] {
            assert_eq!(ConnectionId::new(good).map(ConnectionId::get), Ok(good));
            assert!(Room::new(good, good).is_ok());
        }
        for bad in [i64::MIN, -1, 0, MAX_ID + 1, i64::MAX] {
            assert_eq!(ConnectionId::new(bad), Err(Error::ConnectionRange(bad)));
            assert!(Room::new(bad, 1).is_err());
            assert!(Room::new(1, bad).is_err());
        }
    }

    #[test]
    fn the_same_branch_of_another_tenant_is_another_room() {
        assert_ne!(Room::new(1, 5), Room::new(2, 5));
    }
}
