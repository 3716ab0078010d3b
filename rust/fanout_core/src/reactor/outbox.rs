//! The outbox of one connection: bounded in bytes, and honest about what it drops. No I/O.
//!
//! The rules and the costs are those of `outbox.py` and `message.py`, which say why.

use std::collections::VecDeque;

use super::frames::Frames;
use crate::budget::Budget;
use crate::frame::text_frame;

/// Bytes charged for every entry beside its payload; `ENTRY_OVERHEAD` of `message.py`, so that a limit means the same.
pub(super) const ENTRY_OVERHEAD: usize = 128;

/// Bytes charged for a gap, whatever its count; `GAP_COST` of `message.py`.
const GAP_COST: usize = ENTRY_OVERHEAD + "{\"type\":\"gap\",\"dropped\":4294967296}".len();

/// What may happen to a frame when its outbox overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// May be dropped; a gap then stands in its place.
    BestEffort,
    /// Never dropped: a critical event, an answer, a close.
    Kept,
}

#[derive(Debug)]
enum Entry {
    Frame(Frames, Sort),
    /// So many best-effort events stood here. Its frame is built when it is sent: until then it may grow.
    Gap(u64),
    /// A gap stood here that has merged with the next.
    Hole,
}

/// How an outbox took a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// In order, and so many older events were dropped for it (or it itself).
    Taken { dropped: u64 },
    /// Dropping all that may be dropped, so many events, was not enough: the connection is too slow to be kept.
    Overflow { dropped: u64 },
}

/// Frames in the order in which they go out. There only while something waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    /// Numbers of entries: the first that is left has this one.
    head: u64,
    /// Nothing below this number can be dropped any more, so an overflow never looks twice at an entry.
    hand: u64,
    /// Bytes of the first entry that are written. From its first byte on, an entry is out of reach.
    written: usize,
    used: usize,
}

impl Outbox {
    /// Bytes charged.
    pub fn used(&self) -> usize {
        self.used
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Put a frame behind all others. It is itself the last that is dropped.
    pub fn push(&mut self, frame: Frames, sort: Sort, limit: usize, budget: &Budget) -> Pushed {
        self.append(frame, sort, budget);
        self.make_room(limit, budget)
    }

    /// Drop what has to be, so that no more than the limit is charged.
    pub fn make_room(&mut self, limit: usize, budget: &Budget) -> Pushed {
        let mut dropped = 0;
        while self.used > limit {
            if !self.drop_oldest(budget) {
                return Pushed::Overflow { dropped };
            }
            dropped += 1;
        }
        Pushed::Taken { dropped }
    }

    /// Put a frame behind all others, whatever waits: a close always has room.
    pub fn append(&mut self, frame: Frames, sort: Sort, budget: &Budget) {
        self.charge(signed(cost(&frame)), budget);
        self.entries.push_back(Entry::Frame(frame, sort));
    }

    /// Put a frame behind all others of which so many bytes are written already: it is out of reach from now on.
    pub fn append_begun(&mut self, frame: Frames, written: usize, budget: &Budget) {
        debug_assert!(self.entries.is_empty(), "only the first is being written");
        self.append(frame, Sort::Kept, budget);
        self.advance(written, budget);
    }

    /// Put all that waits in another, of which nothing is written, behind what waits here; its charges come with it.
    pub fn take_over(&mut self, mut other: Self) {
        debug_assert_eq!(other.written, 0, "it is not being written");
        self.entries.append(&mut other.entries);
        self.used += other.used;
    }

    /// Throw away what waits, but for a frame that has begun to be written; how many best-effort events that were.
    pub fn discard(&mut self, budget: &Budget) -> u64 {
        let kept = usize::from(self.written > 0);
        let mut thrown = 0;
        let mut lost = 0;
        for entry in self.entries.drain(kept..) {
            thrown += cost_of(&entry);
            lost += u64::from(matches!(entry, Entry::Frame(_, Sort::BestEffort)));
        }
        self.hand = self.head;
        self.charge(-signed(thrown), budget);
        lost
    }

    /// Throw away everything: the connection is gone.
    pub fn clear(&mut self, budget: &Budget) {
        self.charge(-signed(self.used), budget);
        self.entries.clear();
        self.written = 0;
    }

    /// Append to `scratch` as much as fits under `room` bytes, at least something; or give one large piece, which is
    /// cheaper to send from where it is than to copy.
    pub fn next(
        &mut self,
        scratch: &mut Vec<u8>,
        room: usize,
        budget: &Budget,
    ) -> Option<(Frames, usize)> {
        scratch.clear();
        while let Some(Entry::Hole) = self.entries.front() {
            self.pop();
        }
        let mut at = 0;
        while at < self.entries.len() {
            if let Entry::Gap(dropped) = self.entries[at] {
                // From here on it is a frame like any other, and grows no more.
                let text = format!("{{\"type\":\"gap\",\"dropped\":{dropped}}}");
                let frame = Frames::whole(text_frame(text.as_bytes()));
                let delta = signed(cost(&frame)) - signed(GAP_COST);
                self.entries[at] = Entry::Frame(frame, Sort::Kept);
                self.charge(delta, budget);
                self.hand = self.hand.max(self.head + at as u64 + 1);
            }
            let Entry::Frame(frame, _) = &self.entries[at] else {
                at += 1;
                continue;
            };
            let skip = if at == 0 { self.written } else { 0 };
            let mut piece = frame.clone();
            at += 1;
            while let Some(Entry::Frame(next, _)) = self.entries.get(at) {
                if !piece.join(next) {
                    break;
                }
                at += 1;
            }
            if scratch.is_empty() && (piece.len() - skip >= room / 4 || at == self.entries.len()) {
                return Some((piece, skip));
            }
            let bytes = &piece.bytes()[skip..];
            if scratch.len() + bytes.len() > room {
                break;
            }
            scratch.extend_from_slice(bytes);
        }
        None
    }

    /// So many bytes of what [`Outbox::next`] gave were written.
    pub fn advance(&mut self, mut bytes: usize, budget: &Budget) {
        loop {
            match self.entries.front() {
                Some(Entry::Hole) => self.pop(),
                Some(Entry::Frame(frame, _)) => {
                    let left = frame.len() - self.written;
                    if bytes < left {
                        self.written += bytes;
                        return;
                    }
                    bytes -= left;
                    let paid = signed(cost(frame));
                    self.pop();
                    self.charge(-paid, budget);
                }
                // A gap that has not been sent yet, or nothing.
                Some(Entry::Gap(_)) | None => return,
            }
        }
    }

    fn pop(&mut self) {
        self.entries.pop_front();
        self.head += 1;
        self.written = 0;
        // A crowd's worth of waiting is not paid for after it has been read.
        if self.entries.capacity() > 64 && self.entries.len() * 4 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Let a gap stand for the oldest best-effort event, or the one before it grow; false when none is left.
    fn drop_oldest(&mut self, budget: &Budget) -> bool {
        let first = self.head + u64::from(self.written > 0);
        self.hand = self.hand.max(first);
        let found = (self.at(self.hand)..self.entries.len())
            .find(|at| matches!(self.entries[*at], Entry::Frame(_, Sort::BestEffort)));
        let Some(at) = found else {
            self.hand = self.head + self.entries.len() as u64;
            return false;
        };
        self.hand = self.head + at as u64;
        self.charge(-signed(cost_of(&self.entries[at])), budget);
        // Events are dropped oldest first, so a neighbouring gap can only stand directly before this one. It moves up
        // and leaves a hole behind: numbers stay in the order in which entries go out.
        let before = at.checked_sub(1).map(|before| &mut self.entries[before]);
        if let Some(entry) = before
            && let Entry::Gap(count) = *entry
        {
            *entry = Entry::Hole;
            self.entries[at] = Entry::Gap(count + 1);
        } else {
            self.entries[at] = Entry::Gap(1);
            self.charge(signed(GAP_COST), budget);
        }
        true
    }

    fn at(&self, number: u64) -> usize {
        usize::try_from(number - self.head).unwrap_or(usize::MAX)
    }

    fn charge(&mut self, delta: i64, budget: &Budget) {
        self.used = self
            .used
            .saturating_add_signed(isize::try_from(delta).unwrap_or(0));
        budget.charge(delta);
    }
}

fn cost_of(entry: &Entry) -> usize {
    match entry {
        Entry::Frame(frame, _) => cost(frame),
        Entry::Gap(_) => GAP_COST,
        Entry::Hole => 0,
    }
}

/// What a frame is charged: its payload and the overhead. The header counts as overhead, so that a limit means the same
/// for either owner.
fn cost(frame: &Frames) -> usize {
    let header = match frame.bytes().get(1).map_or(0, |byte| byte & 0x7f) {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    frame.len() - header + ENTRY_OVERHEAD
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
