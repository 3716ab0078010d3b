//! Admission: how many broadcasts, and of how many bytes, may be under way at once.

use std::sync::Mutex;

use rustc_hash::FxHashMap;

use crate::error::Error;
use crate::id::Room;
use crate::lock::lock;

/// A tenant may hold so many times what is free. One alone gets nine tenths of the node so, two get nine nineteenths each,
/// and whoever holds little always finds something. No share has to be set, and none lies idle but the last tenth.
/// (A. K. Choudhury, E. L. Hahne, Dynamic queue length thresholds for shared-memory packet switches, 1998.)
const TIMES_FREE: u64 = 9;

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

/// What is out, of the node and of each tenant that has anything out.
#[derive(Debug, Default)]
struct Out {
    node: InFlight,
    tenants: FxHashMap<i64, InFlight>,
}

/// The node's permits. Thread-safe; its lock is the last in the order, so it may be taken under a shard's.
#[derive(Debug)]
pub struct Permits {
    limits: Limits,
    out: Mutex<Out>,
}

impl Permits {
    /// All permits free.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            out: Mutex::default(),
        }
    }

    /// Take one permit of `size` bytes, of the node, of the room's tenant and of the room, or none of any.
    ///
    /// All numbers are looked at and changed under one lock, which atomics could not do without taking one permit,
    /// failing at the next and giving it back: for that moment another room would be refused for nothing.
    pub fn take(&self, room: Room, permits: &mut RoomPermits, size: u64) -> bool {
        let Out { node, tenants } = &mut *lock(&self.out);
        let own = tenants.get(&room.tenant()).copied().unwrap_or_default();
        let Limits {
            broadcasts, bytes, ..
        } = self.limits;
        if !fits(broadcasts, node.broadcasts, own.broadcasts, 1)
            || !fits(bytes, node.bytes, own.bytes, size)
            || full(self.limits.room_broadcasts, permits.0 + 1)
        {
            return false;
        }
        for count in [node, tenants.entry(room.tenant()).or_default()] {
            count.broadcasts += 1;
            count.bytes += size;
        }
        permits.0 += 1;
        true
    }

    /// Give back what [`Permits::take`] took for the same room and size.
    pub fn give_back(&self, room: Room, permits: &mut RoomPermits, size: u64) {
        let Out { node, tenants } = &mut *lock(&self.out);
        for count in [node, tenants.entry(room.tenant()).or_default()] {
            count.broadcasts -= 1;
            count.bytes -= size;
        }
        if tenants[&room.tenant()].broadcasts == 0 {
            tenants.remove(&room.tenant()); // a quiet tenant costs nothing
        }
        permits.0 -= 1;
    }

    /// What is out at the moment.
    pub fn in_flight(&self) -> InFlight {
        lock(&self.out).node
    }
}

/// Whether one more of this size fits into a limit, of which `out` are out and `own` are the tenant's.
fn fits(limit: u64, out: u64, own: u64, size: u64) -> bool {
    let Some(after) = out.checked_add(size) else {
        return false; // more than a machine word counts: no payload is that large
    };
    limit == 0 || (after <= limit && own <= TIMES_FREE.saturating_mul(limit - out))
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

    fn room(tenant: i64) -> Room {
        Room::new(tenant, 5).unwrap()
    }

    /// How many of a tenant's are let in, each into a room of its own.
    fn take_all(permits: &Permits, tenant: i64, size: u64) -> u64 {
        (0..10_000)
            .find(|_| !permits.take(room(tenant), &mut RoomPermits::default(), size))
            .unwrap()
    }

    #[test]
    fn each_limit_refuses_on_its_own_and_takes_nothing() {
        for (permits, size) in [
            (permits(1, 100, 9), 1),
            (permits(9, 10, 9), 6),
            (permits(9, 100, 1), 1),
        ] {
            let mut own = RoomPermits::default();
            assert!(permits.take(room(1), &mut own, size));
            let before = permits.in_flight();
            assert!(!permits.take(room(1), &mut own, size));
            assert_eq!(permits.in_flight(), before);
            permits.give_back(room(1), &mut own, size);
            assert!(own.is_idle());
            assert_eq!(permits.in_flight(), InFlight::default());
            assert!(permits.take(room(1), &mut own, size));
        }
    }

    #[test]
    fn a_noisy_room_leaves_room_for_others() {
        let permits = permits(3, 100, 2);
        let (mut noisy, mut quiet) = (RoomPermits::default(), RoomPermits::default());
        assert!(permits.take(room(1), &mut noisy, 1) && permits.take(room(1), &mut noisy, 1));
        assert!(!permits.take(room(1), &mut noisy, 1));
        assert!(permits.take(room(1), &mut quiet, 1));
    }

    #[test]
    fn a_noisy_tenant_leaves_a_tenth_to_others_and_two_share_the_rest() {
        let permits = permits(1_000, 0, 0);
        assert_eq!(take_all(&permits, 1, 1), 901);
        assert_eq!(take_all(&permits, 2, 1), 90);
        assert!(permits.take(room(3), &mut RoomPermits::default(), 1));
        for _ in 0..500 {
            permits.give_back(room(1), &mut RoomPermits(1), 1);
        }
        // Freed by the one, they go to the other, as far as it holds no more than nine times what is left.
        assert_eq!(take_all(&permits, 2, 1), 449);
    }

    #[test]
    fn bytes_are_shared_as_broadcasts_are() {
        let permits = permits(0, 1_000, 0);
        assert_eq!(take_all(&permits, 1, 10), 91);
        assert!(permits.take(room(2), &mut RoomPermits::default(), 50));
    }

    #[test]
    fn a_tenant_of_whom_nothing_is_out_is_forgotten() {
        let permits = permits(10, 100, 10);
        let mut own = RoomPermits::default();
        assert!(permits.take(room(1), &mut own, 1));
        permits.give_back(room(1), &mut own, 1);
        assert!(lock(&permits.out).tenants.is_empty());
    }

    #[test]
    fn a_payload_over_the_budget_is_refused_on_an_idle_node() {
        assert!(!permits(9, 10, 9).take(room(1), &mut RoomPermits::default(), 11));
    }

    #[test]
    fn zero_is_unlimited() {
        let permits = permits(0, 0, 0);
        let mut own = RoomPermits::default();
        assert!((0..10_000).all(|_| permits.take(room(1), &mut own, 1 << 40)));
    }

    #[test]
    fn a_negative_limit_is_named() {
        assert_eq!(
            Limits::new(1, -2, 1).unwrap_err(),
            Error::NegativeLimit("max_broadcast_bytes", -2)
        );
    }
}
