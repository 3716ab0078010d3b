//! What a core refuses to take in; the same checks in the same order as `checks.py`.
//!
//! All of them run before anything is changed, so a refused call has changed nothing.

use rustc_hash::FxHashSet;

use crate::error::Error;
use crate::id::{MAX_ID, Room};

/// What a connection's owner may keep beside it, in bytes.
pub const MAX_LABEL_BYTES: usize = 128;

/// A membership as it was given: (tenant, branch) and the names of audiences.
#[derive(Clone, Debug)]
pub struct RawMembership<S> {
    /// Tenant and branch, not yet looked at.
    pub room: (i64, i64),
    /// Names of audiences.
    pub audiences: Vec<S>,
}

/// A membership that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Membership<'a, S> {
    /// A room of the connection's tenant.
    pub room: Room,
    /// At least one name, none empty, none twice.
    pub audiences: &'a [S],
}

/// Refuse a tenant out of range.
///
/// # Errors
/// [`Error::TenantRange`].
pub fn check_tenant(tenant: i64) -> Result<(), Error> {
    if (1..=MAX_ID).contains(&tenant) {
        Ok(())
    } else {
        Err(Error::TenantRange(tenant))
    }
}

/// Refuse a label that is too long.
///
/// # Errors
/// [`Error::LabelTooLong`].
pub fn check_label(label: &[u8]) -> Result<(), Error> {
    if label.len() > MAX_LABEL_BYTES {
        return Err(Error::LabelTooLong(label.len()));
    }
    Ok(())
}

/// Refuse a period between checks that is none.
///
/// # Errors
/// [`Error::BadPeriod`].
pub fn check_period(seconds: Option<f64>) -> Result<(), Error> {
    if seconds.is_none_or(|seconds| seconds > 0.0) {
        Ok(())
    } else {
        Err(Error::BadPeriod)
    }
}

/// Refuse memberships that are empty, ambiguous, or of another tenant than the connection's.
///
/// # Errors
/// The first thing that is wrong, in the order in which they are given.
pub fn check_memberships<S: AsRef<str>>(
    given: &[RawMembership<S>],
    tenant: i64,
) -> Result<Vec<Membership<'_, S>>, Error> {
    if given.is_empty() {
        return Err(Error::NoRoom);
    }
    let mut rooms = FxHashSet::default();
    let mut names = FxHashSet::default();
    let mut checked = Vec::with_capacity(given.len());
    for membership in given {
        let room = Room::new(membership.room.0, membership.room.1)?;
        if room.tenant() != tenant {
            return Err(Error::ForeignRoom(room, tenant));
        }
        if !rooms.insert(room) {
            return Err(Error::RoomTwice(room));
        }
        let audiences = membership.audiences.as_slice();
        if audiences.is_empty() {
            return Err(Error::NoAudience(room));
        }
        if audiences.iter().any(|name| name.as_ref().is_empty()) {
            return Err(Error::EmptyAudience(room));
        }
        names.clear();
        if !audiences.iter().all(|name| names.insert(name.as_ref())) {
            return Err(Error::AudienceTwice(room));
        }
        checked.push(Membership { room, audiences });
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(room: (i64, i64), audiences: &[&'static str]) -> RawMembership<&'static str> {
        RawMembership {
            room,
            audiences: audiences.to_vec(),
        }
    }

    #[test]
    fn each_mistake_has_its_error() {
        let room = Room::new(1, 5).unwrap();
        let foreign = Room::new(2, 5).unwrap();
        let cases = [
            (vec![], Error::NoRoom),
            (
                vec![given((1, 0), &["a"])],
                Error::RoomRange {
                    tenant: 1,
                    branch: 0,
                },
            ),
            (vec![given((2, 5), &["a"])], Error::ForeignRoom(foreign, 1)),
            (
                vec![given((1, 5), &["a"]), given((1, 5), &["b"])],
                Error::RoomTwice(room),
            ),
            (vec![given((1, 5), &[])], Error::NoAudience(room)),
            (vec![given((1, 5), &["a", ""])], Error::EmptyAudience(room)),
            (
                vec![given((1, 5), &["a", "b", "a"])],
                Error::AudienceTwice(room),
            ),
        ];
        for (memberships, expected) in cases {
            assert_eq!(check_memberships(&memberships, 1).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_same_name_in_two_rooms_is_two_audiences() {
        let memberships = [
            given((1, 5), &["sector:9:waiters"]),
            given((1, 6), &["sector:9:waiters"]),
        ];
        assert_eq!(check_memberships(&memberships, 1).unwrap().len(), 2);
    }
}
