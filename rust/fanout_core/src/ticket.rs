//! The events that are under way: admitted, not yet passed to everybody.

use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::audience::AudienceKey;
use crate::error::Error;
use crate::id::{Room, TicketId};
use crate::lock::lock;

/// One event under way. The payload is its owner's; here is only what decides whom it reaches.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// Its room.
    pub room: Room,
    /// Those of its audiences that had anybody on this node when it was admitted.
    pub audiences: Arc<[AudienceKey]>,
    /// Payload bytes that its permit holds.
    pub size: u64,
}

/// The table of tickets. Thread-safe; its lock is a leaf.
#[derive(Debug, Default)]
pub struct Tickets {
    held: Mutex<FxHashMap<TicketId, Broadcast>>,
}

impl Tickets {
    /// Hold an event until it is taken out.
    pub fn hold(&self, ticket: TicketId, broadcast: Broadcast) {
        lock(&self.held).insert(ticket, broadcast);
    }

    /// An event under way; a cheap copy, so that no lock is held while its recipients are looked up.
    ///
    /// # Errors
    /// [`Error::NoTicket`].
    pub fn get(&self, ticket: i64) -> Result<(TicketId, Broadcast), Error> {
        let held = lock(&self.held);
        let (number, broadcast) = held
            .get_key_value(&TicketId(ticket))
            .ok_or(Error::NoTicket(ticket))?;
        Ok((*number, broadcast.clone()))
    }

    /// Take an event out: it is finished.
    ///
    /// # Errors
    /// [`Error::NoTicket`], also the second time.
    pub fn take(&self, ticket: i64) -> Result<Broadcast, Error> {
        lock(&self.held)
            .remove(&TicketId(ticket))
            .ok_or(Error::NoTicket(ticket))
    }
}
