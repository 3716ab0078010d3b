//! What Python is told: a queue, and a descriptor that becomes readable when there is something in it.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use rustc_hash::FxHashSet;

use crate::core::Occupancy;
use crate::id::ConnectionId;
use crate::identity::Identity;
use crate::lock::lock;

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A text message.
    Text(Box<str>),
    /// A binary one; only where every message becomes a notice.
    Binary(Box<[u8]>),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Audiences got their first member of a reactor, or lost their last.
    Occupancy(Occupancy),
    /// A client's message that Python must answer.
    Message(ConnectionId, Said),
    /// A connection is gone, with the code sent or received; nothing more is said of it.
    Closed(ConnectionId, u16, Identity),
    /// These are to be checked.
    Due(Vec<ConnectionId>),
    /// All reactors have come so far as they were asked to, under this number.
    Reached(u64),
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Notice>,
    /// Connections with a message that nobody has answered.
    unanswered: FxHashSet<ConnectionId>,
}

/// The queue. Thread-safe; its lock is a leaf.
///
/// It has no bound of its own: a connection has one message in it at most, one end, a change of occupancy for each of its
/// audiences, and its name once for each of its periods that Python sleeps through. The descriptor is signalled when the queue is no longer empty, not for every notice.
#[derive(Debug)]
pub struct Notices {
    queue: Mutex<Queue>,
    mouth: UnixStream,
    ear: UnixStream,
}

impl Notices {
    /// Nothing has happened.
    ///
    /// # Errors
    /// The system's, when it has no descriptors left.
    pub fn new() -> io::Result<Self> {
        // A socket pair and not an eventfd: the standard library has it, on every Unix, and it is signalled seldom.
        let (mouth, ear) = UnixStream::pair()?;
        mouth.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self {
            queue: Mutex::default(),
            mouth,
            ear,
        })
    }

    /// Readable while something may be waiting; it belongs to the core, and is only to be watched.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.ear.as_raw_fd()
    }

    /// Put something behind what waits, and let Python know.
    pub fn push(&self, notice: Notice) {
        if self.enqueue(notice) {
            self.signal();
        }
    }

    /// Put something behind what waits; whether Python has to be told, which the caller does when it holds no lock
    /// any more.
    #[must_use]
    pub fn enqueue(&self, notice: Notice) -> bool {
        let mut queue = lock(&self.queue);
        match &notice {
            Notice::Message(connection, _) => {
                queue.unanswered.insert(*connection);
            }
            Notice::Closed(connection, ..) => {
                queue.unanswered.remove(connection);
            }
            Notice::Occupancy(_) | Notice::Due(_) | Notice::Reached(_) => {}
        }
        queue.waiting.push(notice);
        queue.waiting.len() == 1
    }

    /// Make the descriptor readable.
    pub fn signal(&self) {
        // When it would block, a signal is in there already. Nothing else can fail while both ends are ours.
        let _ = (&self.mouth).write(&[1]);
    }

    /// Take everything out, in order.
    pub fn drain(&self) -> Vec<Notice> {
        // Before the queue is emptied: a signal that is read after it would be that of the next notice.
        let mut signals = [0; 64];
        while matches!((&self.ear).read(&mut signals), Ok(1..)) {}
        std::mem::take(&mut lock(&self.queue).waiting)
    }

    /// A connection's message is being answered; false when none is open.
    pub fn answered(&self, connection: ConnectionId) -> bool {
        lock(&self.queue).unanswered.remove(&connection)
    }

    /// A connection is closing, so its message needs no answer any more.
    pub fn forget(&self, connection: ConnectionId) {
        lock(&self.queue).unanswered.remove(&connection);
    }
}
