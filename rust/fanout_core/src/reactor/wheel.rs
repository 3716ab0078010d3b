//! A timing wheel: who has to be looked at when, without anybody being scanned.
//!
//! The textbook's simple wheel (Varghese and Lauck, 1987, scheme 4) with lazy entries: an entry says only that a connection
//! is to be looked at; what is due then, the connection itself knows. A heartbeat so costs one write to the
//! connection, and its entry is moved on when its old time comes.

use std::mem;

use crate::clock::Micros;

/// Microseconds to a slot, as a shift: 131 ms. A deadline is noticed so much too late at most.
const SHIFT: u32 = 17;

/// Slots; 67 s around. What is due later is looked at once a round.
const SLOTS: u64 = 512;

/// A look at a connection. 8 bytes, since an idle connection has one all its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where the connection is.
    pub slot: u32,
    /// The lower half of its id, which tells it from the one that had the slot before.
    pub tag: u32,
}

/// The wheel of one reactor.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Box<[Vec<Entry>]>,
    /// Every slot before this turn has been emptied.
    turn: u64,
}

impl Wheel {
    pub fn new(now: Micros) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            turn: now >> SHIFT,
        }
    }

    /// Look at somebody at a deadline, or earlier; the turn in which the entry stands.
    pub fn insert(&mut self, deadline: Micros, entry: Entry) -> u64 {
        let turn = (deadline >> SHIFT).clamp(self.turn, self.turn + SLOTS - 1);
        self.slot(turn).push(entry);
        turn
    }

    /// Whether a deadline needs an entry of its own, where there is one in `turn`.
    pub fn is_before(deadline: Micros, turn: u64) -> bool {
        deadline >> SHIFT < turn
    }

    /// Take out, with their turns, the entries that have to be looked at now. `exactly` takes those of the turn that is
    /// not yet over too.
    pub fn take(&mut self, now: Micros, exactly: bool) -> Vec<(u64, Entry)> {
        let end = (now >> SHIFT) + u64::from(exactly);
        let mut taken = Vec::new();
        if end <= self.turn {
            return taken;
        }
        // A clock that stood still for more than a round finds every slot once.
        for turn in self.turn..end.min(self.turn + SLOTS) {
            let slot = mem::take(self.slot(turn));
            taken.extend(slot.into_iter().map(|entry| (turn, entry)));
        }
        self.turn = now >> SHIFT;
        taken
    }

    /// When to look again; None when nothing is to come.
    pub fn next(&mut self) -> Option<Micros> {
        let from = self.turn;
        (from..from + SLOTS)
            .find(|turn| !self.slot(*turn).is_empty())
            .map(|turn| (turn + 1) << SHIFT) // its end, so that a slot is emptied in one go
    }

    fn slot(&mut self, turn: u64) -> &mut Vec<Entry> {
        let at = usize::try_from(turn % SLOTS).expect("fewer slots than a usize counts");
        &mut self.slots[at]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TURN: Micros = 1 << SHIFT;

    fn entry(slot: u32) -> Entry {
        Entry { slot, tag: 0 }
    }

    fn slots(taken: &[(u64, Entry)]) -> Vec<u32> {
        taken.iter().map(|(_, entry)| entry.slot).collect()
    }

    #[test]
    fn an_entry_comes_out_at_the_end_of_its_turn() {
        let mut wheel = Wheel::new(0);
        wheel.insert(5 * TURN + 1, entry(1));
        wheel.insert(6 * TURN, entry(2));
        assert_eq!(wheel.next(), Some(6 * TURN));
        assert!(wheel.take(6 * TURN - 1, false).is_empty());
        assert_eq!(slots(&wheel.take(6 * TURN, false)), [1]);
        assert_eq!(slots(&wheel.take(6 * TURN, true)), [2]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn what_is_past_or_far_away_has_a_slot_too() {
        let mut wheel = Wheel::new(100 * TURN);
        wheel.insert(0, entry(1));
        let far = wheel.insert(u64::MAX, entry(2));
        assert_eq!(far, 100 + SLOTS - 1);
        assert_eq!(slots(&wheel.take(101 * TURN, false)), [1]);
        assert_eq!(slots(&wheel.take(9_000 * TURN, false)), [2]);
        assert_eq!(wheel.insert(0, entry(3)), 9_000);
    }

    proptest! {
        #[test]
        fn nobody_is_looked_at_too_late(deadlines in prop::collection::vec(0..40_000_000_u64, 1..50), steps in prop::collection::vec(1..3_000_000_u64, 1..40)) {
            let mut wheel = Wheel::new(0);
            let mut waiting: Vec<Micros> = deadlines;
            for (at, deadline) in waiting.iter().enumerate() {
                wheel.insert(*deadline, entry(u32::try_from(at).unwrap()));
            }
            let mut now = 0;
            for step in steps {
                now += step;
                for (_, entry) in wheel.take(now, true) {
                    let deadline = &mut waiting[entry.slot as usize];
                    if *deadline > now {
                        wheel.insert(*deadline, entry); // the look was early, which it may be
                    } else {
                        *deadline = Micros::MAX;
                    }
                }
                prop_assert!(waiting.iter().all(|deadline| *deadline > now));
            }
        }
    }
}
