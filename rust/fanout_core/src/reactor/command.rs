//! What a reactor is told, and the queue through which it is told.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};

use mio::{Poll, Token, Waker};

use super::page::Page;
use super::schedule::Schedule;
use crate::id::ConnectionId;
use crate::identity::Identity;
use crate::lock::lock;
use crate::notice::{Notice, Notices};
use crate::ticket::Broadcast;

/// The token of the waker; no connection's, since no slot has the number.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Which connection, and where it is: the slot alone may by now be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub slot: u32,
    pub connection: ConnectionId,
}

/// A socket that becomes a connection.
#[derive(Debug)]
pub(crate) struct Adoption {
    /// Connected; any stream socket, whatever its family.
    pub stream: TcpStream,
    /// What was read of it before.
    pub early: Box<[u8]>,
    /// The first message that it gets, as a frame.
    pub first: Option<Arc<[u8]>>,
    pub schedule: Schedule,
    /// Whether history comes before all else, in pages.
    pub is_resuming: bool,
}

/// What the core tells a reactor. The order of the queue is the order in which it happens.
#[derive(Debug)]
pub(crate) enum Command {
    /// A connection begins; the index knows it already.
    Adopt(Address, Box<Adoption>),
    /// A socket that never becomes a connection gets this close frame.
    Refuse(u32, TcpStream, Arc<[u8]>),
    /// An event for members of a room.
    Pass(Arc<Broadcast>),
    /// A message for one connection, as a frame.
    Send(Address, Arc<[u8]>),
    /// The answer to the connection's message; it is read again.
    Answer(Address, Option<Arc<[u8]>>),
    /// The connection's message was a heartbeat in a spelling that only Python knows; it is answered and read again.
    AnswerPing(Address),
    /// The next of the connection's history.
    Page(Address, Box<Page>),
    /// Close, behind what waits; the connection has left the core.
    Close(Address, Box<Closing>),
    /// The connection has another identity, and goes by its times from now on.
    Reschedule(Address, Schedule),
    /// Close everybody with this code.
    CloseAll(u16),
    /// The manual clock was moved.
    Tick,
    /// Say when it has come so far.
    Barrier(Until, Done),
    /// Stand still until the other end of the channel is dropped, for tests: say so first.
    Hold(Sender<()>, Receiver<()>),
    /// End the thread.
    Stop,
}

/// How far a reactor has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It has done all that it was told before.
    Passed,
    /// And no socket has anything to say, or takes anything, any more.
    Quiet,
    /// It has no sockets any more.
    Empty,
}

/// Whom a reactor tells that it has come so far.
#[derive(Debug)]
pub(crate) enum Done {
    /// A thread that waits.
    Thread(Sender<()>),
    /// Python, by a notice with this number, when the last reactor has; so many have not.
    Python(u64, Arc<AtomicU32>),
}

impl Done {
    pub fn tell(self, notices: &Notices) {
        match self {
            // Whoever has given up waiting is gone.
            Self::Thread(sender) => drop(sender.send(())),
            Self::Python(number, left) => {
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    notices.push(Notice::Reached(number));
                }
            }
        }
    }
}

/// How a connection is to be closed.
#[derive(Debug)]
pub(crate) struct Closing {
    pub code: u16,
    pub frame: Arc<[u8]>,
    pub identity: Identity,
}

/// A reactor's queue of commands. Thread-safe; its lock is a leaf.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// None when the reactor has ended.
    waiting: Mutex<Option<Vec<Command>>>,
    waker: Waker,
}

impl Mailbox {
    /// A queue that wakes this poll.
    pub fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            waiting: Mutex::new(Some(Vec::new())),
            waker: Waker::new(poll.registry(), WAKER)?,
        })
    }

    /// Put a command behind the others, and wake the reactor. Never waits for it.
    pub fn push(&self, command: Command) {
        if self.enqueue([command]) {
            self.wake();
        }
    }

    /// Put commands behind the others in one go, so that a batch is seen whole and can be coalesced; whether the reactor
    /// has to be woken, which the caller does when it holds no lock any more. When the reactor has ended, they are dropped,
    /// and sockets in them closed.
    #[must_use]
    pub fn enqueue(&self, commands: impl IntoIterator<Item = Command>) -> bool {
        let mut waiting = lock(&self.waiting);
        let Some(waiting) = &mut *waiting else {
            return false;
        };
        let was_empty = waiting.is_empty();
        waiting.extend(commands);
        was_empty && !waiting.is_empty()
    }

    /// Wake the reactor.
    pub fn wake(&self) {
        // It fails only when the descriptor is gone, that is never while the mailbox lives.
        let _ = self.waker.wake();
    }

    /// Take all commands out, in order.
    pub fn take(&self) -> Vec<Command> {
        lock(&self.waiting)
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Take all commands out, and no more in.
    pub fn end(&self) -> Vec<Command> {
        lock(&self.waiting).take().unwrap_or_default()
    }
}
