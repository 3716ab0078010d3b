//! The events that are under way: admitted, not yet passed to everybody.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::audience::AudienceKey;
use crate::clock::Micros;
use crate::error::Error;
use crate::id::{ConnectionId, Room, TicketId};
use crate::index::{ConnectionIndex, Recipient};
use crate::lock::lock;
use crate::measures::SharedReach;

/// One event under way, shared by the owners that pass it on.
#[derive(Debug)]
pub struct Broadcast {
    /// Its number.
    pub ticket: TicketId,
    /// Its room.
    pub room: Room,
    /// Those of its audiences that had anybody on this node when it was admitted; None for everybody in the room.
    pub audiences: Option<Arc<[AudienceKey]>>,
    /// Payload bytes that its permit holds.
    pub size: u64,
    /// The WebSocket frame, id and position spliced in; empty when no reactor has to pass it.
    pub frame: Arc<[u8]>,
    /// A critical event's, which may not be dropped.
    pub position: Option<Arc<str>>,
    /// When it was accepted.
    pub accepted: Micros,
    /// How long before that it began: at its producer, or at this node. None where nobody knows.
    pub age: Option<Micros>,
    /// The number under which somebody wants to know what becomes of it; 0 for nobody.
    pub watch: u64,
    /// Whom its owners have passed it to.
    pub reach: SharedReach,
    /// Owners that have not passed it yet.
    pub owners_left: AtomicU32,
}

impl Broadcast {
    /// Append whom it reaches of an owner's connections, each once.
    pub fn recipients(&self, index: &mut ConnectionIndex, found: &mut Vec<Recipient>) {
        match &self.audiences {
            Some(audiences) => index.recipients(self.ticket, self.room, audiences, found),
            None => index.members(self.ticket, self.room, found),
        }
    }

    /// The first ticket that a connection is entitled to of those that go where this one goes; None if this one does not
    /// reach it.
    #[must_use]
    pub fn since(&self, index: &ConnectionIndex, connection: ConnectionId) -> Option<TicketId> {
        match &self.audiences {
            Some(audiences) => index.since(self.ticket, self.room, audiences, connection),
            None => index
                .entered(self.room, connection)
                .filter(|since| *since <= self.ticket),
        }
    }

    /// One owner has passed it; true for the last one, who gives the permits back.
    #[must_use]
    pub fn passed(&self) -> bool {
        // AcqRel: what the others did for this event has happened before its permits are free again.
        self.owners_left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// The table of those that the event loop has to pass, by ticket. Thread-safe; its lock is a leaf.
#[derive(Debug, Default)]
pub struct Tickets {
    held: Mutex<FxHashMap<TicketId, Arc<Broadcast>>>,
}

impl Tickets {
    /// Hold an event until it is taken out.
    pub fn hold(&self, broadcast: Arc<Broadcast>) {
        lock(&self.held).insert(broadcast.ticket, broadcast);
    }

    /// An event under way.
    ///
    /// # Errors
    /// [`Error::NoTicket`].
    pub fn get(&self, ticket: i64) -> Result<Arc<Broadcast>, Error> {
        lock(&self.held)
            .get(&TicketId(ticket))
            .cloned()
            .ok_or(Error::NoTicket(ticket))
    }

    /// Take an event out: the event loop has passed it.
    ///
    /// # Errors
    /// [`Error::NoTicket`], also the second time.
    pub fn take(&self, ticket: i64) -> Result<Arc<Broadcast>, Error> {
        lock(&self.held)
            .remove(&TicketId(ticket))
            .ok_or(Error::NoTicket(ticket))
    }
}
