//! Which rooms have members, and with which owners: where every event and every join of a room meet.
//!
//! Rooms are spread over 64 shards, each behind its own lock (the seed's `get_tenant_branch_lock`). That lock is what
//! orders a room's submits and joins: a ticket is numbered under it, and a stay learns under it which ticket is the
//! first that it is entitled to. Since numbers only grow, a stay of ticket 8 was there when ticket 8 was admitted, and
//! nobody needs to copy the list of members.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::id::{OwnerId, Owners, Room, TicketId};
use crate::lock::lock;
use crate::permits::{Limits, Permits, RoomPermits};
use crate::stats::Stats;

/// Enough that two threads seldom meet in one, few enough to cost nothing.
const SHARDS: usize = 64;

/// Members of a room that a reactor gets in a row: some 2 ms of sends, which a second thread would not make shorter by
/// more than it costs to wake it.
const BLOCK: usize = 256;

/// The answer to one submitted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// No permit was free, or an earlier event of the room in this batch was refused.
    Refused,
    /// Accepted, and nobody is in the room: no permit is held.
    Nobody,
    /// Accepted, and under way: for these owners.
    Ticket(TicketId, Owners),
}

/// How a member entered a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The first ticket that its stays are entitled to.
    pub since: TicketId,
    /// Whether it is the first of its owner.
    pub is_first: bool,
    /// Whether all events of the room have been passed by everybody.
    pub is_quiet: bool,
}

#[derive(Debug, Default)]
struct RoomEntry {
    /// Members with each owner that has any: one owner, or a few, so a list beats a map.
    members: Vec<(OwnerId, usize)>,
    permits: RoomPermits,
}

type Shard = FxHashMap<Room, RoomEntry>;

/// Rooms, their members per owner, their permits. Thread-safe; it takes one shard's lock at a time.
#[derive(Debug)]
pub struct Directory {
    shards: [Mutex<Shard>; SHARDS],
    last_ticket: AtomicI64,
    permits: Permits,
}

impl Directory {
    /// No rooms, all permits free.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            last_ticket: AtomicI64::new(0),
            permits: Permits::new(limits),
        }
    }

    /// Lock a room's shard (the seed's name). Never call it while holding another shard's lock.
    fn get_tenant_branch_lock(&self, room: Room) -> MutexGuard<'_, Shard> {
        // The upper bits: the map inside the shard places by the lower ones.
        let hash = FxBuildHasher.hash_one(room) >> 32;
        let shard = usize::try_from(hash).unwrap_or(0) % SHARDS;
        lock(&self.shards[shard])
    }

    /// The first ticket that a stay beginning now is entitled to; ask under the lock of the room's shard.
    fn next_ticket(&self) -> TicketId {
        // Relaxed: what was numbered in this room was numbered under the lock that the caller holds.
        TicketId(self.last_ticket.load(Ordering::Relaxed) + 1)
    }

    /// Enter a member into a room.
    pub fn enter(&self, room: Room, owner: OwnerId, stats: &Stats) -> Entrance {
        let mut shard = self.get_tenant_branch_lock(room);
        let entry = shard.entry(room).or_default();
        let members = &mut entry.members;
        if members.is_empty() {
            stats.room_opened();
        }
        let found = members.iter_mut().find(|(of, _)| *of == owner);
        let is_first = found.is_none();
        if let Some((_, count)) = found {
            *count += 1;
        } else {
            members.push((owner, 1));
        }
        Entrance {
            since: self.next_ticket(),
            is_first,
            is_quiet: entry.permits.is_idle(),
        }
    }

    /// Which reactor a newcomer of a room should go to, of so many.
    ///
    /// A room has a home by its hash. Its first [`BLOCK`] members go there, the next to the reactor after it, and so on
    /// around: a small room wakes one thread for an event, a huge one uses them all.
    pub fn place(&self, room: Room, reactors: u16) -> OwnerId {
        let hash = FxBuildHasher.hash_one(room) >> 48;
        let home = u16::try_from(hash).unwrap_or(0) % reactors;
        let shard = self.get_tenant_branch_lock(room);
        let members = shard.get(&room).map_or(&[][..], |entry| &entry.members);
        let blocks = |owner: OwnerId| {
            let found = members.iter().find(|(of, _)| *of == owner);
            found.map_or(0, |(_, count)| count / BLOCK)
        };
        (0..reactors)
            .map(|step| OwnerId::reactor((home + step) % reactors))
            .min_by_key(|owner| blocks(*owner)) // the first of those that have the fewest
            .unwrap_or(OwnerId::reactor(home))
    }

    /// The first ticket that a stay is entitled to which a member of the room begins now.
    pub fn now(&self, room: Room) -> TicketId {
        let _shard = self.get_tenant_branch_lock(room);
        self.next_ticket()
    }

    /// Take a member out of a room that it had entered; whether it was the last of its owner.
    pub fn exit(&self, room: Room, owner: OwnerId, stats: &Stats) -> bool {
        let mut shard = self.get_tenant_branch_lock(room);
        let Some(entry) = shard.get_mut(&room) else {
            return false;
        };
        let mut was_last = false;
        if let Some(at) = entry.members.iter().position(|(of, _)| *of == owner) {
            entry.members[at].1 -= 1;
            if entry.members[at].1 == 0 {
                was_last = true;
                entry.members.swap_remove(at);
                if entry.members.is_empty() {
                    stats.room_closed();
                }
            }
        }
        forget_if_unused(&mut shard, room);
        was_last
    }

    /// Admit one event: all its permits and a ticket, or nothing.
    pub fn admit(&self, room: Room, size: u64) -> Admission {
        let mut shard = self.get_tenant_branch_lock(room);
        match shard.get_mut(&room) {
            Some(entry) if !entry.members.is_empty() => {
                if self.permits.take(room, &mut entry.permits, size) {
                    let last = self.last_ticket.fetch_add(1, Ordering::Relaxed);
                    let owners = entry.members.iter().map(|(owner, _)| *owner).collect();
                    Admission::Ticket(TicketId(last + 1), owners)
                } else {
                    Admission::Refused
                }
            }
            _ => Admission::Nobody,
        }
    }

    /// Give an admitted event's permits back.
    pub fn finish(&self, room: Room, size: u64) {
        let mut shard = self.get_tenant_branch_lock(room);
        if let Some(entry) = shard.get_mut(&room) {
            self.permits.give_back(room, &mut entry.permits, size);
        }
        forget_if_unused(&mut shard, room);
    }

    /// The node's permits, to read its gauges.
    #[must_use]
    pub fn permits(&self) -> &Permits {
        &self.permits
    }
}

/// An entry outlives its last member while events of the room are under way, for they hold its permits.
fn forget_if_unused(shard: &mut Shard, room: Room) {
    if let Some(entry) = shard.get(&room)
        && entry.members.is_empty()
        && entry.permits.is_idle()
    {
        shard.remove(&room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EVENT_LOOP;

    fn directory() -> (Directory, Stats) {
        (
            Directory::new(Limits::new(10, 100, 2).unwrap()),
            Stats::default(),
        )
    }

    fn rooms_kept(directory: &Directory) -> usize {
        directory.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    #[test]
    fn a_stay_is_entitled_to_what_is_admitted_after_it() {
        let (directory, stats) = directory();
        let room = Room::new(1, 5).unwrap();
        let first = directory.enter(room, EVENT_LOOP, &stats);
        assert_eq!((first.since, first.is_first), (TicketId(1), true));
        assert_eq!(
            directory.admit(room, 1),
            Admission::Ticket(TicketId(1), [EVENT_LOOP].into_iter().collect())
        );
        let second = directory.enter(room, EVENT_LOOP, &stats);
        assert_eq!((second.since, second.is_first), (TicketId(2), false));
        assert_eq!(directory.now(room), TicketId(2));
    }

    #[test]
    fn another_tenants_room_of_the_same_branch_has_nobody() {
        let (directory, stats) = directory();
        directory.enter(Room::new(1, 5).unwrap(), EVENT_LOOP, &stats);
        assert_eq!(
            directory.admit(Room::new(2, 5).unwrap(), 1),
            Admission::Nobody
        );
        assert_eq!(directory.permits().in_flight().broadcasts, 0);
    }

    #[test]
    fn an_emptied_room_keeps_its_permits_until_its_events_are_finished() {
        let (directory, stats) = directory();
        let room = Room::new(1, 5).unwrap();
        directory.enter(room, EVENT_LOOP, &stats);
        for _ in 0..2 {
            assert!(matches!(directory.admit(room, 1), Admission::Ticket(..)));
        }
        directory.exit(room, EVENT_LOOP, &stats);
        assert_eq!(directory.admit(room, 1), Admission::Nobody);
        directory.enter(room, EVENT_LOOP, &stats);
        assert_eq!(directory.admit(room, 1), Admission::Refused);
        directory.exit(room, EVENT_LOOP, &stats);
        directory.finish(room, 1);
        directory.finish(room, 1);
        assert_eq!(rooms_kept(&directory), 0);
        assert_eq!(stats.snapshot(directory.permits().in_flight()).rooms, 0);
    }

    #[test]
    fn a_room_counts_once_however_many_owners_have_members_of_it() {
        let (directory, stats) = directory();
        let room = Room::new(1, 5).unwrap();
        for owner in [EVENT_LOOP, OwnerId(1), OwnerId(1)] {
            directory.enter(room, owner, &stats);
        }
        let rooms = || stats.snapshot(directory.permits().in_flight()).rooms;
        assert_eq!(rooms(), 1);
        assert!(!directory.exit(room, OwnerId(1), &stats));
        assert!(directory.exit(room, EVENT_LOOP, &stats), "its owner's last");
        assert_eq!(rooms(), 1);
        assert!(directory.exit(room, OwnerId(1), &stats));
        assert_eq!((rooms(), rooms_kept(&directory)), (0, 0));
    }

    #[test]
    fn a_room_fills_one_reactor_after_the_other() {
        let (directory, stats) = directory();
        let room = Room::new(1, 5).unwrap();
        let mut placed = Vec::new();
        for _ in 0..=4 * BLOCK {
            let owner = directory.place(room, 3);
            directory.enter(room, owner, &stats);
            placed.push(owner);
        }
        let blocks: Vec<_> = placed.chunks(BLOCK).collect();
        assert!(
            blocks
                .iter()
                .all(|block| block.iter().all(|owner| *owner == block[0]))
        );
        assert_eq!(
            blocks[..3]
                .iter()
                .map(|block| block[0])
                .collect::<Owners>()
                .count(),
            3
        );
        assert_eq!(blocks[3][0], blocks[0][0]);
        assert_eq!(blocks[4][0], blocks[1][0]);
        directory.exit(room, blocks[0][0], &stats);
        directory.exit(room, blocks[0][0], &stats);
        assert_eq!(
            directory.place(room, 3),
            blocks[0][0],
            "who left makes room for the next"
        );
    }

    #[test]
    fn rooms_spread_over_the_reactors() {
        let (directory, _) = directory();
        let mut counts = [0; 4];
        for branch in 1..=400 {
            let owner = directory.place(Room::new(1, branch).unwrap(), 4);
            counts[usize::from(owner.0) - 1] += 1;
        }
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    }

    #[test]
    fn rooms_spread_over_the_shards() {
        let (directory, stats) = directory();
        for branch in 1..=640 {
            directory.enter(Room::new(1, branch).unwrap(), EVENT_LOOP, &stats);
        }
        let fullest = directory.shards.iter().map(|shard| lock(shard).len()).max();
        assert!(
            fullest < Some(40),
            "ten each on average, but one has {fullest:?}"
        );
    }
}
