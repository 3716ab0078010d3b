//! What the core does for sockets: it places them on reactors, and speaks to those.
//!
//! A connection of a reactor is in the index, the directory and the identities like any other, and is changed there by
//! the caller's thread at once; the reactor hears of it through its mailbox, in the same order.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::checks::RawMembership;
use crate::clock::Clock;
use crate::core::{Core, Sockets, attached, check_newcomer, check_positions};
use crate::error::Error;
use crate::frame::{close_frame, text_frame};
use crate::id::{ConnectionId, EVENT_LOOP, OwnerId};
use crate::identity::{Attached, Identity};
use crate::lock::lock;
use crate::notice::Notice;
use crate::permits::Limits;
use crate::reactor::{
    Address, Adoption, Closing, Command, Done, Page, PageEntry, Schedule, Settings, SocketStats,
    Until,
};

/// A socket on its way to a reactor. It must be non-blocking.
#[derive(Debug)]
pub struct Newcomer {
    /// Connected, and any stream socket, whatever its family.
    pub stream: TcpStream,
    /// What has been read of it already.
    pub early: Box<[u8]>,
    /// The text that it gets before all else.
    pub first: Option<String>,
    /// Positions of its rooms, by branch.
    pub positions: Vec<(i64, Arc<str>)>,
    /// Whether its history comes first, see [`Core::page`].
    pub is_resuming: bool,
}

/// A core with its reactors' threads. They end with [`Reactors::stop`], or when this is dropped.
#[derive(Debug)]
pub struct Reactors {
    core: Arc<Core>,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl Reactors {
    /// Make a core and start its reactors.
    ///
    /// Signals are for the thread that started the process: block them around this call, since threads inherit what is
    /// blocked.
    ///
    /// # Errors
    /// The system's, when it has no descriptors or no threads left; then nothing runs.
    pub fn start(limits: Limits, settings: Settings, clock: Clock) -> io::Result<Self> {
        let polls = (0..settings.reactors)
            .map(|_| mio::Poll::new())
            .collect::<io::Result<Vec<_>>>()?;
        let core = Arc::new(Core::with_sockets(limits, settings, clock, &polls)?);
        let reactors = Self {
            core: Arc::clone(&core),
            threads: std::sync::Mutex::default(),
        };
        for (number, poll) in (0..).zip(polls) {
            let thread = crate::reactor::spawn(Arc::clone(&core), number, poll)?;
            lock(&reactors.threads).push(thread);
        }
        Ok(reactors)
    }

    /// The core.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// End the threads and wait for them. Connections that are still there are cut off, and told as closed.
    pub fn stop(&self) {
        self.core.for_each_reactor(|| Command::Stop);
        // A reactor's panic ends the process, so that a thread is poisoned only while that happens.
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Reactors {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Core {
    /// Enter a connection that a reactor owns; events admitted before are not for it.
    ///
    /// # Errors
    /// As for [`Core::attach`], and [`Error::NoReactors`]; nothing is changed, and the socket is closed.
    pub fn adopt<S: AsRef<str>>(
        &self,
        connection: i64,
        memberships: &[RawMembership<S>],
        identity: Identity,
        newcomer: Newcomer,
    ) -> Result<(), Error> {
        let Some(sockets) = &self.sockets else {
            return Err(Error::NoReactors);
        };
        let mut identities = lock(&self.identities);
        let (connection, memberships) =
            check_newcomer(&identities, connection, memberships, &identity)?;
        check_positions(&newcomer.positions)?;
        let reactors = u16::try_from(sockets.reactors.len()).unwrap_or(u16::MAX);
        let owner = self.directory.place(memberships[0].room, reactors);
        let slot = lock(&self.owned[owner.index()].index).reserve(connection);
        let address = Address { slot, connection };
        let adoption = Box::new(Adoption {
            stream: newcomer.stream,
            early: newcomer.early,
            first: newcomer.first.map(|text| text_frame(text.as_bytes())),
            schedule: Schedule::of(&identity),
            is_resuming: newcomer.is_resuming,
        });
        if newcomer.is_resuming {
            sockets.notices.resume(connection);
        }
        // Before the index knows it: whatever names this connection stands behind its beginning then.
        let mailbox = &sockets.reactors[owner.index() - 1].mailbox;
        let must_wake = mailbox.enqueue([Command::Adopt(address, adoption)]);
        identities.insert(connection, Attached { identity, owner });
        self.stats.attached();
        self.replace_memberships(connection, owner, &memberships, &newcomer.positions);
        drop(identities);
        if must_wake {
            mailbox.wake();
        }
        Ok(())
    }

    /// Close a socket that never becomes a connection: it gets a close frame, and is read to its end.
    ///
    /// # Errors
    /// [`Error::NoReactors`]; the socket is closed.
    pub fn refuse(&self, stream: TcpStream, code: u16, reason: &str) -> Result<(), Error> {
        let Some(sockets) = &self.sockets else {
            return Err(Error::NoReactors);
        };
        let slot = lock(&self.owned[1].index).reserve_for_nobody();
        let frame = close_frame(code, reason);
        sockets.reactors[0]
            .mailbox
            .push(Command::Refuse(slot, stream, frame));
        Ok(())
    }

    /// Put a text behind what waits for a reactor's connection; false when it has left, None when it is not a reactor's.
    pub fn send(&self, connection: i64, text: &str) -> Option<bool> {
        self.tell_one(connection, |address| {
            Some(Command::Send(address, text_frame(text.as_bytes())))
        })
    }

    /// Answer the open message of a reactor's connection; false when none is open.
    pub fn answer(&self, connection: i64, text: Option<&str>) -> Option<bool> {
        self.tell_one(connection, |address| {
            let sockets = self.sockets.as_ref()?;
            sockets
                .notices
                .answered(address.connection)
                .then(|| Command::Answer(address, text.map(|text| text_frame(text.as_bytes()))))
        })
    }

    /// The same with a frame that is built already, for an echo of a binary message.
    pub fn answer_frame(&self, connection: i64, frame: Arc<[u8]>) -> Option<bool> {
        self.tell_one(connection, |address| {
            let sockets = self.sockets.as_ref()?;
            sockets
                .notices
                .answered(address.connection)
                .then(|| Command::Answer(address, Some(frame)))
        })
    }

    /// Answer the open message of a reactor's connection as the heartbeat that it is, in whatever spelling.
    pub fn answer_ping(&self, connection: i64) -> Option<bool> {
        self.tell_one(connection, |address| {
            let sockets = self.sockets.as_ref()?;
            sockets
                .notices
                .answered(address.connection)
                .then_some(Command::AnswerPing(address))
        })
    }

    /// Give a reactor's connection that resumes the next of its history; false when it has left, None when it is not a
    /// reactor's.
    ///
    /// Whoever gives the pages bounds how long that takes, by closing what takes too long; the reactor has no deadline
    /// for it.
    ///
    /// # Errors
    /// [`Error::IsLive`], [`Error::PageUnderWay`], and those of an entry: [`Error::NotUtf8`], [`Error::BadPosition`],
    /// [`Error::NotAnObject`]. Nothing was given.
    pub fn page<S: AsRef<str>, P: AsRef<[u8]>>(
        &self,
        connection: i64,
        entries: &[PageEntry<S, P>],
        is_last: bool,
    ) -> Result<Option<bool>, Error> {
        let identities = lock(&self.identities);
        let Ok((id, found)) = attached(&identities, connection) else {
            return Ok(Some(false));
        };
        let owner = found.owner;
        let Some(sockets) = self.sockets.as_ref().filter(|_| owner != EVENT_LOOP) else {
            return Ok(None);
        };
        // Under the lock: one that leaves is taken out of the identities first, so it is not found to be live here.
        sockets.notices.check_page(id)?;
        drop(identities);
        let page = Box::new(Page::new(entries, is_last)?);
        Ok(self.tell_one(connection, |address| {
            let is_there = sockets.notices.give_page(id, is_last);
            is_there.then_some(Command::Page(address, page))
        }))
    }

    /// Close a reactor's connection behind what waits for it; no event joins it any more. False when it has left.
    pub fn close(&self, connection: i64, code: u16, reason: &str) -> Option<bool> {
        let mut identities = lock(&self.identities);
        let Ok((id, found)) = attached(&identities, connection) else {
            return Some(false);
        };
        let owner = found.owner;
        let sockets = self.sockets.as_ref().filter(|_| owner != EVENT_LOOP)?;
        let slot = lock(&self.owned[owner.index()].index).slot(id)?;
        let identity = self.take_out(&mut identities, id, owner)?;
        drop(identities);
        sockets.notices.forget(id);
        let address = Address {
            slot,
            connection: id,
        };
        let frame = close_frame(code, reason);
        let closing = Box::new(Closing {
            code,
            frame,
            identity,
        });
        sockets.reactors[owner.index() - 1]
            .mailbox
            .push(Command::Close(address, closing));
        Some(true)
    }

    /// Close every connection that reactors own, and refuse nobody: the caller lets no more in.
    pub fn close_all(&self, code: u16) {
        self.for_each_reactor(|| Command::CloseAll(code));
    }

    /// Move the manual clock, and let reactors do what has become due. What they were told before and have not done yet
    /// happens at the new time.
    pub fn advance(&self, monotonic: f64, wall: f64) {
        self.clock.set(monotonic, wall);
        self.for_each_reactor(|| Command::Tick);
    }

    /// Wait until all reactors have come so far; false when it takes longer.
    #[must_use]
    pub fn barrier(&self, until: Until, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut waiting: Vec<Receiver<()>> = Vec::new();
        self.for_each_reactor(|| {
            let (done, wait) = channel();
            waiting.push(wait);
            Command::Barrier(until, Done::Thread(done))
        });
        waiting.iter().all(|wait| {
            wait.recv_timeout(deadline - Instant::now().min(deadline))
                .is_ok()
        })
    }

    /// Have a notice with this number when all reactors have come so far.
    pub fn tell_when(&self, until: Until, number: u64) {
        let reactors = self.owned.len() - 1;
        let left = Arc::new(AtomicU32::new(u32::try_from(reactors).unwrap_or(u32::MAX)));
        self.for_each_reactor(|| Command::Barrier(until, Done::Python(number, Arc::clone(&left))));
    }

    /// Have all reactors stand still until what is returned is dropped; returns when they do. For tests, which can then
    /// look at what has not happened yet.
    #[must_use]
    pub fn hold(&self) -> Vec<Sender<()>> {
        let mut waiting = Vec::new();
        let mut holding = Vec::new();
        self.for_each_reactor(|| {
            let (standing, wait) = channel();
            let (keep, released) = channel();
            waiting.push(wait);
            holding.push(keep);
            Command::Hold(standing, released)
        });
        for wait in waiting {
            let _ = wait.recv(); // an error, when the reactor has ended: it stands still too
        }
        holding
    }

    /// What happened since the last call, in order.
    pub fn notices(&self) -> Vec<Notice> {
        self.sockets
            .as_ref()
            .map_or_else(Vec::new, |sockets| sockets.notices.drain())
    }

    /// The descriptor that is readable while there are notices.
    #[must_use]
    pub fn notice_descriptor(&self) -> Option<i32> {
        self.sockets
            .as_ref()
            .map(|sockets| sockets.notices.descriptor())
    }

    /// Counters of all reactors together; None without reactors.
    #[must_use]
    pub fn socket_stats(&self) -> Option<SocketStats> {
        let sockets = self.sockets.as_ref()?;
        let mut sum = SocketStats::default();
        for reactor in &sockets.reactors {
            reactor.stats.add_to(&mut sum);
        }
        sum.outbox_bytes = u64::try_from(sockets.budget.used()).unwrap_or(0);
        Some(sum)
    }

    /// A connection that its reactor has lost leaves the core; None when it had left already, and its close is on its
    /// way to the reactor.
    pub(crate) fn depart(&self, connection: ConnectionId, owner: OwnerId) -> Option<Identity> {
        let mut identities = lock(&self.identities);
        let identity = self.take_out(&mut identities, connection, owner);
        drop(identities);
        if let Some(Sockets { notices, .. }) = &self.sockets {
            notices.forget(connection);
            notices.signal(); // of what the audiences have lost
        }
        identity
    }

    /// Tell a reactor when a connection expires and is checked; the event loop goes by itself.
    pub(crate) fn reschedule(&self, connection: ConnectionId, owner: OwnerId, schedule: Schedule) {
        if owner == EVENT_LOOP {
            return;
        }
        self.tell_one(connection.get(), |address| {
            Some(Command::Reschedule(address, schedule))
        });
    }

    /// Tell the reactors, by owner.
    pub(crate) fn tell(&self, commands: Vec<Vec<Command>>) {
        let Some(sockets) = &self.sockets else {
            return;
        };
        for (reactor, commands) in sockets.reactors.iter().zip(commands.into_iter().skip(1)) {
            if !commands.is_empty() && reactor.mailbox.enqueue(commands) {
                reactor.mailbox.wake();
            }
        }
    }

    fn for_each_reactor(&self, mut command: impl FnMut() -> Command) {
        if let Some(sockets) = &self.sockets {
            for reactor in &sockets.reactors {
                reactor.mailbox.push(command());
            }
        }
    }

    /// Send a command to the reactor of a connection; false when there is no such connection or no command, None when
    /// the event loop owns it.
    fn tell_one(
        &self,
        connection: i64,
        command: impl FnOnce(Address) -> Option<Command>,
    ) -> Option<bool> {
        let identities = lock(&self.identities);
        let Ok((id, found)) = attached(&identities, connection) else {
            return Some(false);
        };
        let owner = found.owner;
        let sockets = self.sockets.as_ref().filter(|_| owner != EVENT_LOOP)?;
        let slot = lock(&self.owned[owner.index()].index).slot(id)?;
        drop(identities);
        let address = Address {
            slot,
            connection: id,
        };
        let Some(command) = command(address) else {
            return Some(false);
        };
        sockets.reactors[owner.index() - 1].mailbox.push(command);
        Some(true)
    }

    /// Take a connection out of everything; its identity, if it was there.
    fn take_out(
        &self,
        identities: &mut crate::identity::Identities,
        connection: ConnectionId,
        owner: OwnerId,
    ) -> Option<Identity> {
        let Attached { identity, .. } = identities.remove(connection)?;
        self.stats.left();
        self.replace_memberships::<&str>(connection, owner, &[], &[]);
        Some(identity)
    }
}
