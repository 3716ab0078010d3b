//! What every step of a connection's life needs beside the connection; and those steps.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::command::Address;
use super::connection::{Connection, Phase, Resume, Socket};
use super::frames::Frames;
use super::heartbeat::pong;
use super::outbox::{Pushed, Sort};
use super::page::Page;
use super::schedule::{NEVER, next_check};
use super::settings::Settings;
use super::stats::{ReactorStats, count, discount};
use super::wheel::{Entry, Wheel};
use crate::clock::{Micros, SECOND, micros};
use crate::close_code::{AUTH_FAILED, GOING_AWAY, SERVER_OVERLOADED, reason};
use crate::core::{Core, Sockets};
use crate::frame::{close_frame, text_frame};
use crate::id::{ConnectionId, OwnerId, Room};
use crate::identity::Identity;
use crate::lock::lock;
use crate::notice::Notice;

/// How long a closing connection has to take what waits for it and the close, and to hang up; `LINGER_SECONDS` of
/// `asgi.py`.
pub(super) const LINGER: Micros = 2 * SECOND;

/// Everything of a reactor but its connections.
#[derive(Debug)]
pub(super) struct Context {
    pub core: Arc<Core>,
    pub owner: OwnerId,
    pub settings: Settings,
    pub registry: Registry,
    pub wheel: Wheel,
    /// The time of this pass of the loop.
    pub now: Micros,
    /// Unix seconds at that time.
    pub wall: f64,
    /// Connections to read, since edge-triggered readiness is said once.
    pub ready: VecDeque<Address>,
    /// Connections with something in their outbox that was not tried to be written yet.
    pub dirty: VecDeque<Address>,
    /// Where small frames are copied together for one send.
    pub scratch: Vec<u8>,
    /// Set when the node's outboxes hold too much.
    pub is_over_budget: bool,
    /// Whom Python is to check, found in this look at the time.
    pub due: Vec<ConnectionId>,
}

impl Context {
    pub fn sockets(&self) -> &Sockets {
        sockets(&self.core)
    }

    pub fn stats(&self) -> &ReactorStats {
        stats(&self.core, self.owner)
    }

    /// Let the poll watch a new socket; for both directions at once, so that no later call has to change it.
    pub fn register(&self, connection: &Connection) -> std::io::Result<()> {
        let Some(stream) = &connection.stream else {
            return Ok(());
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        let token = token(connection.address);
        self.registry
            .register(&mut SourceFd(&stream.as_raw_fd()), token, both)?;
        count(&self.stats().sockets, 1);
        Ok(())
    }

    /// Have a connection read in its turn.
    pub fn read_later(&mut self, connection: &mut Connection) {
        if !connection.flags.ready {
            connection.flags.ready = true;
            self.ready.push_back(connection.address);
        }
    }

    /// Have a connection flushed when all that waits to be passed has been.
    pub fn flush_later(&mut self, connection: &mut Connection) {
        if !connection.flags.dirty {
            connection.flags.dirty = true;
            self.dirty.push_back(connection.address);
        }
    }

    /// Put a frame behind all that is for an open connection; nothing is written. One that is too slow is closed.
    pub fn queue(&mut self, connection: &mut Connection, frame: Frames, sort: Sort) {
        let limit = self.settings.outbox_limit();
        let budget = &sockets(&self.core).budget;
        let pushed = connection.queue(frame, sort, limit, budget);
        self.queued(connection, pushed);
    }

    /// The same before what is held: a page, or a pong. It is never dropped.
    pub fn queue_past_held(&mut self, connection: &mut Connection, frame: Frames) {
        let limit = self.settings.outbox_limit();
        let budget = &sockets(&self.core).budget;
        let pushed = connection.queue_past_held(frame, limit, budget);
        self.queued(connection, pushed);
    }

    fn queued(&mut self, connection: &mut Connection, pushed: Pushed) {
        self.is_over_budget |= sockets(&self.core).budget.is_exceeded();
        match pushed {
            Pushed::Taken { dropped: 0 } => {}
            Pushed::Taken { dropped } => count(&self.stats().dropped, dropped),
            Pushed::Overflow { dropped } => {
                count(&self.stats().dropped, dropped);
                self.give_up(connection);
            }
        }
    }

    /// Answer a heartbeat.
    ///
    /// It is not held while the connection resumes, lest the client take a long resume for a dead server.
    pub fn answer_ping(&mut self, connection: &mut Connection) {
        let text = pong(&self.positions(connection));
        self.queue_past_held(connection, Frames::whole(text_frame(text.as_bytes())));
    }

    /// Hand the next of its history to a connection that resumes.
    pub fn page(&mut self, connection: &mut Connection, page: &Page) {
        for frame in page.frames() {
            if !connection.is_open() {
                return; // the last one was too much
            }
            self.queue_past_held(connection, frame);
        }
        if !connection.is_open() {
            return;
        }
        if page.is_last {
            connection.go_live();
        } else {
            connection.resume = Resume::Taking;
        }
        self.flush_later(connection);
    }

    /// Write what waits for a connection as far as the kernel takes it, and take the step that follows.
    pub fn flush(&mut self, connection: &mut Connection) {
        if connection.outbox.is_some() && !connection.flags.blocked {
            let (budget, stats) = (&sockets(&self.core).budget, stats(&self.core, self.owner));
            if connection.flush(&mut self.scratch, budget, stats) == Socket::Lost {
                self.lose(connection, crate::close_code::ABNORMAL);
                return;
            }
        }
        if connection.flags.held_back && connection.unwritten() <= self.settings.outbox_limit() / 4
        {
            connection.flags.held_back = false;
            self.read_later(connection);
        }
        if connection.resume == Resume::Taking && connection.outbox.is_none() {
            connection.resume = Resume::Wanting;
            let id = connection.address.connection;
            self.sockets().notices.push(Notice::Page(id));
        }
        if connection.phase == Phase::Closing && connection.outbox.is_none() {
            connection.phase = Phase::Lingering;
            connection.end_writing();
            self.tell(connection);
            self.read_later(connection);
        }
    }

    /// Close an open connection of our own accord: it leaves the core.
    pub fn close(&mut self, connection: &mut Connection, code: u16) {
        let identity = self.core.depart(connection.address.connection, self.owner);
        let frame = Frames::whole(close_frame(code, reason(code)));
        self.begin_close(connection, code, frame, identity);
    }

    /// Close in place of what waits, for a connection that cannot be kept.
    pub fn give_up(&mut self, connection: &mut Connection) {
        count(&self.stats().slow_closes, 1);
        let lost = connection.discard(&sockets(&self.core).budget);
        count(&self.stats().dropped, lost);
        self.close(connection, SERVER_OVERLOADED);
        self.flush_later(connection);
    }

    /// Put the close behind what waits for an open connection that has left the core; the caller flushes. Without an
    /// identity the core's own close is on its way, and brings it.
    pub fn begin_close(
        &mut self,
        connection: &mut Connection,
        code: u16,
        frame: Frames,
        identity: Option<Identity>,
    ) {
        debug_assert!(connection.is_open(), "it is closed once");
        connection.phase = Phase::Closing;
        self.drop_held(connection);
        connection.code = code;
        connection.flags.asked = false;
        connection.flags.held_back = false;
        let deadline = self.now + LINGER;
        let rare = connection.rare();
        rare.identity = identity;
        rare.deadline = deadline;
        rare.kept = Vec::new();
        connection.queue_close(frame, &sockets(&self.core).budget);
        self.rearm(connection);
        self.read_later(connection); // it may have been waiting for an answer, unread
    }

    /// Throw away what is held: it follows a last page that will never come. Its best-effort events count as dropped.
    pub fn drop_held(&self, connection: &mut Connection) {
        let lost = connection.drop_held(&sockets(&self.core).budget);
        count(&self.stats().dropped, lost);
    }

    /// The socket is gone, or is given up.
    pub fn lose(&mut self, connection: &mut Connection, code: u16) {
        if let Some(stream) = connection.stream.take() {
            // Somebody may have a duplicate of the descriptor: closing ours would not end the watching then.
            let _ = self.registry.deregister(&mut SourceFd(&stream.as_raw_fd()));
            discount(&self.stats().sockets);
        }
        self.drop_held(connection);
        if let Some(mut outbox) = connection.outbox.take() {
            outbox.clear(&sockets(&self.core).budget);
        }
        if connection.phase == Phase::Open {
            let identity = self.core.depart(connection.address.connection, self.owner);
            connection.rare().identity = identity;
        }
        if connection.phase < Phase::Lingering {
            connection.code = code;
        }
        connection.phase = Phase::Orphan;
        self.tell(connection);
    }

    /// The code of a connection is final: tell its end, once, as soon as it is known who it was.
    pub fn tell(&self, connection: &mut Connection) {
        connection.flags.is_final = true;
        if connection.flags.told {
            return;
        }
        let identity = connection
            .rare
            .as_mut()
            .and_then(|rare| rare.identity.take());
        if let Some(identity) = identity {
            connection.flags.told = true;
            let id = connection.address.connection;
            self.sockets()
                .notices
                .push(Notice::Closed(id, connection.code, identity));
        }
    }

    /// Empty the place of a connection that is over.
    pub fn reap(&self, place: &mut Option<Box<Connection>>) {
        if let Some(connection) = place
            && connection.stream.is_none()
            && connection.flags.told
        {
            let slot = connection.address.slot;
            *place = None;
            lock(&self.core.owned[self.owner.index()].index).release(slot);
        }
    }

    /// See to it that a connection is looked at in time.
    pub fn rearm(&mut self, connection: &mut Connection) {
        let end = self.deadline(connection).unwrap_or(NEVER);
        let deadline = if connection.is_open() {
            end.min(connection.check_at)
        } else {
            end
        };
        if deadline == NEVER {
            return;
        }
        if connection.turn == u64::MAX || Wheel::is_before(deadline, connection.turn) {
            connection.turn = self.wheel.insert(deadline, entry(connection.address));
        }
    }

    /// Do what has become due for a connection whose entry in the wheel has come up.
    pub fn look(&mut self, connection: &mut Connection) {
        connection.turn = u64::MAX;
        let due = self
            .deadline(connection)
            .is_some_and(|deadline| deadline <= self.now);
        if !due {
            if connection.is_open() && connection.check_at <= self.now {
                connection.check_at = next_check(self.now, connection.check_every);
                self.due.push(connection.address.connection);
            }
            self.rearm(connection);
        } else if connection.is_open() {
            // Expiry first: who is both expired and silent is told the one that a reconnect would not cure.
            let is_expired = connection.expires_at <= self.wall;
            self.close(
                connection,
                if is_expired { AUTH_FAILED } else { GOING_AWAY },
            );
            self.flush(connection);
        } else {
            self.lose(connection, connection.code);
        }
    }

    /// When a connection comes to its end if nothing happens.
    fn deadline(&self, connection: &Connection) -> Option<Micros> {
        connection.stream.as_ref()?; // nobody waits for an orphan's deadline
        if !connection.is_open() {
            return connection.rare.as_ref().map(|rare| rare.deadline);
        }
        let silence = self
            .settings
            .silence()
            .map(|silence| connection.seen.saturating_add(silence));
        let left = connection.expires_at - self.wall;
        let expiry = left
            .is_finite()
            .then(|| self.now.saturating_add(micros(left)));
        match (silence, expiry) {
            (Some(silence), Some(expiry)) => Some(silence.min(expiry)),
            (silence, expiry) => silence.or(expiry),
        }
    }

    /// Up to where the rooms of a connection have been passed by this reactor. What was passed to the connection
    /// itself stands in front of all that is queued for it now. None while it resumes: that is held.
    pub fn positions(&self, connection: &Connection) -> Vec<(Room, Arc<str>)> {
        if connection.is_resuming() {
            return Vec::new();
        }
        let index = lock(&self.core.owned[self.owner.index()].index);
        index.positions_of(connection.address.connection)
    }

    /// How often somebody of ours has lost something.
    pub fn losses(&self) -> u64 {
        self.core.owned[self.owner.index()]
            .losses
            .load(Ordering::Acquire)
    }
}

pub(super) fn sockets(core: &Core) -> &Sockets {
    core.sockets.as_ref().expect("a reactor's core has sockets")
}

pub(super) fn stats(core: &Core, owner: OwnerId) -> &ReactorStats {
    &sockets(core).reactors[owner.index() - 1].stats
}

/// An address without the upper half of the id; enough to tell it from the one that had the slot before.
pub(super) fn entry(address: Address) -> Entry {
    Entry {
        slot: address.slot,
        tag: tag(address),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the lower half is what is wanted"
)]
pub(super) fn tag(address: Address) -> u32 {
    address.connection.get() as u32
}

fn token(address: Address) -> Token {
    Token((tag(address) as usize) << 32 | address.slot as usize)
}

/// The entry that a token was made of.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves are taken apart"
)]
pub(super) fn entry_of(token: Token) -> Entry {
    Entry {
        slot: token.0 as u32,
        tag: (token.0 >> 32) as u32,
    }
}
