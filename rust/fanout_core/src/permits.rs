//! Admission: how many broadcasts, and of how many bytes, may be under way at once.

use std::sync::Mutex;

use crate::error::Error;
use crate::lock::lock;

/// The numbers that admission holds to; 0 is unlimited.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    broadcasts: u64,
    bytes: u64,
    room_broadcasts: u64,
}

impl Limits {
    /// Limits, if none is negative.
    ///
    /// # Errors
    /// [`Error::NegativeLimit`] with the name that the setting has in Python.
    pub fn new(
        max_broadcasts: i64,
        max_bytes: i64,
        max_room_broadcasts: i64,
    ) -> Result<Self, Error> {
        let checked =
            |name, value| u64::try_from(value).map_err(|_| Error::NegativeLimit(name, value));
        Ok(Self {
            broadcasts: checked("max_broadcasts", max_broadcasts)?,
            bytes: checked("max_broadcast_bytes", max_bytes)?,
            room_broadcasts: checked("max_room_broadcasts", max_room_broadcasts)?,
        })
    }
}

/// What is out at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Broadcasts.
    pub broadcasts: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

/// One room's share; it stands in the directory, under the lock of the room's shard.
#[derive(Debug, Default)]
pub struct RoomPermits(u64);

impl RoomPermits {
    /// Whether the room has no broadcast under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0 == 0
    }
}

/// The node's permits. Thread-safe; its lock is the last in the order, so it may be taken under a shard's.
#[derive(Debug)]
pub struct Permits {
    limits: Limits,
    in_flight: Mutex<InFlight>,
}

impl Permits {
    /// All permits free.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            in_flight: Mutex::default(),
        }
    }

    /// Take one permit of `size` bytes, of the node and of the room, or none of either.
    ///
    /// The three numbers are looked at and changed under one lock, which two atomics could not do without taking one
    /// permit, failing at the next and giving it back: for that moment another room would be refused for nothing.
    pub fn take(&self, room: &mut RoomPermits, size: u64) -> bool {
        let mut node = lock(&self.in_flight);
        let Some(bytes) = node.bytes.checked_add(size) else {
            return false; // more than a machine word counts: no payload is that large
        };
        if full(self.limits.broadcasts, node.broadcasts + 1)
            || full(self.limits.bytes, bytes)
            || full(self.limits.room_broadcasts, room.0 + 1)
        {
            return false;
        }
        node.broadcasts += 1;
        node.bytes = bytes;
        room.0 += 1;
        true
    }

    /// Give back what [`Permits::take`] took for the same room and size.
    pub fn give_back(&self, room: &mut RoomPermits, size: u64) {
        let mut node = lock(&self.in_flight);
        node.broadcasts -= 1;
        node.bytes -= size;
        room.0 -= 1;
    }

    /// What is out at the moment.
    pub fn in_flight(&self) -> InFlight {
        *lock(&self.in_flight)
    }
}

fn full(limit: u64, wanted: u64) -> bool {
    limit != 0 && wanted > limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(broadcasts: i64, bytes: i64, room: i64) -> Permits {
        Permits::new(Limits::new(broadcasts, bytes, room).unwrap())
    }

    #[test]
    fn each_limit_refuses_on_its_own_and_takes_nothing() {
        for (permits, size) in [
            (permits(1, 100, 9), 1),
            (permits(9, 10, 9), 6),
            (permits(9, 100, 1), 1),
        ] {
            let mut room = RoomPermits::default();
            assert!(permits.take(&mut room, size));
            let before = permits.in_flight();
            assert!(!permits.take(&mut room, size));
            assert_eq!(permits.in_flight(), before);
            permits.give_back(&mut room, size);
            assert!(room.is_idle());
            assert_eq!(permits.in_flight(), InFlight::default());
            assert!(permits.take(&mut room, size));
        }
    }

    #[test]
    fn a_noisy_room_leaves_room_for_others() {
        let permits = permits(3, 100, 2);
        let (mut noisy, mut quiet) = (RoomPermits::default(), RoomPermits::default());
        assert!(permits.take(&mut noisy, 1) && permits.take(&mut noisy, 1));
        assert!(!permits.take(&mut noisy, 1));
        assert!(permits.take(&mut quiet, 1));
    }

    #[test]
    fn a_payload_over_the_budget_is_refused_on_an_idle_node() {
        assert!(!permits(9, 10, 9).take(&mut RoomPermits::default(), 11));
    }

    #[test]
    fn zero_is_unlimited() {
        let permits = permits(0, 0, 0);
        let mut room = RoomPermits::default();
        assert!((0..10_000).all(|_| permits.take(&mut room, 1 << 40)));
    }

    #[test]
    fn a_negative_limit_is_named() {
        assert_eq!(
            Limits::new(1, -2, 1).unwrap_err(),
            Error::NegativeLimit("max_broadcast_bytes", -2)
        );
    }
}
