//! Something that a client may get, and whether it must.

use std::collections::BTreeMap;
use std::sync::Arc;

pub type RoomKey = (i64, i64);

/// One event, as it was admitted.
#[derive(Debug)]
pub struct Event {
    /// The order of submission, from 1.
    pub number: u64,
    pub room: RoomKey,
    /// Numbers of audiences.
    pub audiences: Vec<usize>,
    /// What a client sees.
    pub text: Arc<str>,
    pub critical: bool,
    /// Bytes of the payload.
    pub size: u64,
}

impl Event {
    /// Whether it reaches somebody with these audiences, each since an event.
    pub fn reaches(&self, stays: &BTreeMap<(RoomKey, usize), u64>) -> bool {
        self.audiences.iter().any(|audience| {
            stays
                .get(&(self.room, *audience))
                .is_some_and(|since| *since <= self.number)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On its way; the reactor may or may not have passed it.
    Pending,
    /// It was passed, and held until the last page of the client's history, which may still be on its way.
    Held,
    /// It was passed while the client was entitled.
    Must,
    /// The client lost its right while the event was on its way.
    May,
    /// The client lost its right for certain before the event was passed.
    Not,
}

#[derive(Debug)]
pub struct Item {
    pub text: Arc<str>,
    /// None for a message that is the connection's alone.
    pub event: Option<Arc<Event>>,
    pub state: State,
}

impl Item {
    /// It may be dropped, and a gap stand for it.
    pub fn is_best_effort(&self) -> bool {
        self.event.as_ref().is_some_and(|event| !event.critical)
    }
}
