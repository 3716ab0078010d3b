//! What Python is told: a queue, and a descriptor that becomes readable when there is something in it.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::core::Occupancy;
use crate::error::Error;
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
    /// A resuming connection has taken its page, and wants the next.
    Page(ConnectionId),
    /// There are reports to take, see `Core::reports`.
    Reports,
    /// All reactors have come so far as they were asked to, under this number.
    Reached(u64),
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Notice>,
    /// Connections with a message that nobody has answered.
    unanswered: FxHashSet<ConnectionId>,
    /// Connections that resume, and whether a page is under way: given, and its notice not told.
    resuming: FxHashMap<ConnectionId, bool>,
}

/// The queue. Thread-safe; its lock is a leaf.
///
/// It has no bound of its own: a connection has one message in it at most, one page, one end, a change of occupancy for
/// each of its audiences, and its name once for each of its periods that Python sleeps through. The descriptor is
/// signalled when the queue is no longer empty, not for every notice.
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
            Notice::Occupancy(_)
            | Notice::Due(_)
            | Notice::Page(_)
            | Notice::Reports
            | Notice::Reached(_) => {}
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
        let queue = &mut *lock(&self.queue);
        let mut told = std::mem::take(&mut queue.waiting);
        // A page is under way until its end is told, and not only until it is noticed here: so whoever gives the next one
        // too early finds out every time.
        told.retain(|notice| match notice {
            Notice::Page(connection) => match queue.resuming.get_mut(connection) {
                Some(is_under_way) => {
                    *is_under_way = false;
                    true
                }
                None => false, // it has left
            },
            _ => true,
        });
        told
    }

    /// A connection begins that resumes.
    pub fn resume(&self, connection: ConnectionId) {
        lock(&self.queue).resuming.insert(connection, false);
    }

    /// Whether a connection resumes: it has not been given its last page.
    #[must_use]
    pub fn is_resuming(&self, connection: ConnectionId) -> bool {
        lock(&self.queue).resuming.contains_key(&connection)
    }

    /// Refuse a page that an attached connection does not take now.
    ///
    /// # Errors
    /// [`Error::IsLive`], [`Error::PageUnderWay`].
    pub fn check_page(&self, connection: ConnectionId) -> Result<(), Error> {
        match lock(&self.queue).resuming.get(&connection) {
            None => Err(Error::IsLive(connection)),
            Some(true) => Err(Error::PageUnderWay(connection)),
            Some(false) => Ok(()),
        }
    }

    /// A connection is given a page; false when it has left.
    pub fn give_page(&self, connection: ConnectionId, is_last: bool) -> bool {
        let mut queue = lock(&self.queue);
        if is_last {
            return queue.resuming.remove(&connection).is_some();
        }
        let found = queue.resuming.get_mut(&connection);
        found.map(|is_under_way| *is_under_way = true).is_some()
    }

    /// A connection's message is being answered; false when none is open.
    pub fn answered(&self, connection: ConnectionId) -> bool {
        lock(&self.queue).unanswered.remove(&connection)
    }

    /// A connection is closing, so its message needs no answer any more, and it no page.
    pub fn forget(&self, connection: ConnectionId) {
        let mut queue = lock(&self.queue);
        queue.unanswered.remove(&connection);
        queue.resuming.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_under_way_until_its_notice_is_told() {
        let id = ConnectionId::new(7).unwrap();
        let notices = Notices::new().unwrap();
        assert_eq!(notices.check_page(id), Err(Error::IsLive(id)));
        notices.resume(id);
        assert_eq!(notices.check_page(id), Ok(()));
        assert!(notices.give_page(id, false));
        notices.push(Notice::Page(id));
        assert_eq!(notices.check_page(id), Err(Error::PageUnderWay(id)));
        assert_eq!(notices.drain(), [Notice::Page(id)]);
        assert_eq!(notices.check_page(id), Ok(()));
        assert!(notices.is_resuming(id));
        assert!(notices.give_page(id, true));
        assert!(!notices.is_resuming(id));
        assert_eq!(notices.check_page(id), Err(Error::IsLive(id)));
    }

    #[test]
    fn of_one_that_has_left_no_page_is_told_and_nothing_kept() {
        let id = ConnectionId::new(7).unwrap();
        let notices = Notices::new().unwrap();
        notices.resume(id);
        assert!(notices.give_page(id, false));
        notices.push(Notice::Page(id));
        notices.push(Notice::Reached(1));
        notices.forget(id);
        assert!(!notices.give_page(id, false) && !notices.give_page(id, true));
        assert_eq!(notices.drain(), [Notice::Reached(1)]);
        assert!(!notices.is_resuming(id));
    }
}
