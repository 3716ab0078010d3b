//! One connection as the model sees it: what it is entitled to, what it may be closed for, what its client said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fanout_core::checks::RawMembership;
use fanout_core::identity::Identity;

use super::item::{Event, Item, RoomKey, State};
use super::peer::Peer;
use super::received::Received;

/// Whoever has sent nothing for so many seconds is given up.
pub const SILENCE: f64 = 60.0;

pub type Memberships = Vec<RawMembership<&'static str>>;

#[expect(clippy::struct_excessive_bools, reason = "each a fact of its own")]
pub struct Ward {
    pub id: i64,
    /// None for a connection of the event loop.
    pub peer: Option<Peer>,
    pub memberships: Memberships,
    /// (room, audience) → the first event that it is entitled to.
    pub stays: BTreeMap<(RoomKey, usize), u64>,
    pub identity: Identity,
    /// In the core, as far as is known.
    pub attached: bool,
    /// What is on its way to it, or has come.
    pub items: Vec<Item>,
    /// What is for it since it came, while its history comes first.
    pub held: Vec<Item>,
    /// More may have waited for it than may while something was held: the gap comes when it is live.
    pub held_too_much: bool,
    pub resume: Resume,
    pub received: Received,
    pub why: Reasons,
    /// The code of its last notice.
    pub told: Option<u16>,
    /// A message of it waits for an answer.
    pub asked: bool,
    /// What it said and nobody heard yet.
    pub said: VecDeque<String>,
    /// The end of a frame of which the beginning was sent.
    pub rest: Option<(Vec<u8>, String)>,
    /// Bytes charged for what it is owed since it last had read everything, at most.
    pub owed: u64,
    /// Those of them that cannot be dropped, at most.
    pub kept: u64,
    /// When its last whole frame was sent, and the latest time at which one is known to have been read.
    pub last_frame: f64,
    pub seen: f64,
    pub is_silent: bool,
}

/// How far its history has been handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    Live,
    /// A page may be given.
    Wanting,
    /// One was given, and its end has not been told.
    Taking,
}

/// For what it may be closed, and for what its last messages may be lost.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each a reason of its own")]
pub struct Reasons {
    pub by_us: Option<u16>,
    pub close_all: bool,
    pub expired: bool,
    pub silent: bool,
    pub hung_up: bool,
    pub stopped: bool,
    /// Its client has sent bytes that mean anything.
    pub wild: bool,
    /// Codes of the violations that its client committed, or of the closes that it sent.
    pub violations: BTreeSet<u16>,
    pub closes: BTreeSet<u16>,
    /// Frames that count against the rate, and the rate, 0 for none.
    pub rated: u32,
    pub rate: u32,
    /// More may wait for it, or for all, than may.
    pub slow: bool,
    /// The clock moved while it was closing, so that it may have been cut off.
    pub overdue: bool,
}

impl Reasons {
    pub fn allow(&self, code: u16) -> bool {
        let is_rated = self.rate > 0 && (self.wild || self.rated > self.rate);
        self.by_us == Some(code)
            || self.violations.contains(&code)
            || self.closes.contains(&code)
            || match code {
                1001 => self.close_all || self.silent,
                1006 => self.hung_up || self.stopped,
                1013 => self.slow,
                4001 => self.expired,
                4029 => is_rated,
                _ => false,
            }
            || self.wild && code != 4001
    }

    /// Its reactor may close it at a moment that nobody knows.
    pub fn is_hazard(&self) -> bool {
        self.close_all
            || self.expired
            || self.silent
            || self.hung_up
            || self.wild
            || self.slow
            || !self.violations.is_empty()
            || !self.closes.is_empty()
            || self.rate > 0 && self.rated > self.rate
    }

    /// What waited for it when it ended with this code may have been thrown away.
    pub fn is_lossy(&self, code: Option<u16>) -> bool {
        self.hung_up
            || self.stopped
            || self.wild
            || self.overdue
            || !self.closes.is_empty()
            || matches!(code, Some(1005 | 1006 | 1013))
    }
}

impl Ward {
    /// Whether an event reaches it as things stand.
    pub fn is_entitled(&self, event: &Event) -> bool {
        event.reaches(&self.stays)
    }

    /// It is owed something from now on, behind all else.
    pub fn owe(&mut self, text: Arc<str>, event: Option<Arc<Event>>) {
        let item = Item {
            text,
            event,
            state: State::Pending,
        };
        self.charge(&item);
        if self.resume == Resume::Live {
            self.items.push(item);
        } else {
            self.held.push(item);
        }
    }

    /// It is owed something that is not held: its welcome, or a piece of its history.
    pub fn owe_first(&mut self, text: Arc<str>) {
        let item = Item {
            text,
            event: None,
            state: State::Pending,
        };
        self.charge(&item);
        self.items.push(item);
    }

    fn charge(&mut self, item: &Item) {
        let cost = item.text.len() as u64 + 200;
        self.owed += cost;
        // A gap may stand where an event stood, and one event may have been begun.
        self.kept += if item.is_best_effort() { 200 } else { cost };
    }

    /// It has read everything: only what is held still waits for it.
    pub fn drained(&mut self, outbox_bytes: u64) {
        self.held_too_much |= self.owed > outbox_bytes;
        self.held_too_much &= !self.held.is_empty();
        self.owed = 0;
        self.kept = 0;
        for item in std::mem::take(&mut self.held) {
            self.charge(&item);
            self.held.push(item);
        }
    }

    /// It was given its last page.
    pub fn go_live(&mut self) {
        self.resume = Resume::Live;
        for mut item in self.held.drain(..) {
            if item.state == State::Must {
                item.state = State::Held;
            }
            self.items.push(item);
        }
    }

    /// It has lost something: what was on its way for that is lost too, for certain when nothing can have been passed.
    pub fn lose(&mut self, is_certain: bool) -> bool {
        let mut lost = false;
        let stays = &self.stays;
        for item in self.items.iter_mut().chain(&mut self.held) {
            if let (State::Pending, Some(event)) = (item.state, &item.event)
                && !event.reaches(stays)
            {
                lost = true;
                item.state = if is_certain { State::Not } else { State::May };
            }
        }
        lost
    }

    /// Its reactor has done all that it was told.
    pub fn settle(&mut self, is_attached: bool) {
        let is_certain = is_attached || self.why.by_us.is_some() && !self.why.is_hazard();
        for item in self.items.iter_mut().chain(&mut self.held) {
            if matches!(item.state, State::Pending | State::Held) {
                item.state = if is_certain { State::Must } else { State::May };
            }
        }
        if !is_attached {
            self.attached = false;
            self.stays.clear();
            self.held.clear(); // thrown away with its end
        }
    }
}
