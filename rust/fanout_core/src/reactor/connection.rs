//! One connection and the steps of its life.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};

use super::bucket::Bucket;
use super::command::Address;
use super::frames::Frames;
use super::outbox::{Outbox, Pushed, Sort};
use super::schedule::{NEVER, Schedule, first_check};
use super::stats::{ReactorStats, count};
use crate::budget::Budget;
use crate::clock::Micros;
use crate::close_code::ABNORMAL;
use crate::frame::Decoder;
use crate::identity::Identity;

/// Bytes that are copied together for one send. A payload of 256 B fits in some 200 times; larger buffers bring nothing more
/// (measured: 64 frames in one send cost what 1.6 single sends do).
pub(super) const SEND_BYTES: usize = 64 * 1024;

/// Where a connection is in its life; it only moves down this table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// In the core; read, and written to.
    Open,
    /// Has left the core. Its outbox ends with a close frame; of what it says, only its own close counts.
    Closing,
    /// The close frame is sent, and with it everything. It is read to its end, so that the close is not lost to a reset.
    Lingering,
    /// The socket is gone; the core's close, which brings the identity for the last notice, is still on its way.
    Orphan,
}

/// What has to be kept of a connection in rare moments.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// What was read behind a message that is not answered yet.
    pub kept: Vec<u8>,
    /// Who was behind it: from when it has left the core until its end was told.
    pub identity: Option<Identity>,
    /// When it is cut off, if it is closing.
    pub deadline: Micros,
    /// What is for it since it came, while history has to come first.
    pub held: Option<Box<Outbox>>,
}

/// How far its history has been handed over, see `Fanout.page` in `base.py`. The caller decides how long that may take;
/// here it has no end of its own but the outbox's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Resume {
    /// None is to come: what is for it goes into its outbox.
    #[default]
    Live,
    /// A page is to come: all but pages and pongs is held.
    Wanting,
    /// The same, and it has yet to take a page that was not the last. Its next is asked for when its outbox is empty.
    Taking,
}

/// Some things that are or are not.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a byte each, and named")]
pub(super) struct Flags {
    /// The kernel takes no more; it will say when it does.
    pub blocked: bool,
    /// It stands in the list of those that have to be flushed.
    pub dirty: bool,
    /// It stands in the list of those that have to be read.
    pub ready: bool,
    /// A message of it waits for an answer; it is not read.
    pub asked: bool,
    /// It reads too little to be read itself: its own outbox holds too much.
    pub held_back: bool,
    /// The peer will send nothing more.
    pub peer_done: bool,
    /// Its code is final, so that its end can be told as soon as it is known who it was.
    pub is_final: bool,
    /// Its end was told, or is nobody's business.
    pub told: bool,
}

/// One connection. A reactor's thread only. An idle one owns no buffer.
#[derive(Debug)]
pub(super) struct Connection {
    pub address: Address,
    /// None when it is an orphan.
    pub stream: Option<TcpStream>,
    pub phase: Phase,
    pub resume: Resume,
    pub flags: Flags,
    /// The code that is to be sent, then the one it ended with.
    pub code: u16,
    pub bucket: Bucket,
    /// When its last frame came.
    pub seen: Micros,
    /// The turn of the wheel in which its entry stands.
    pub turn: u64,
    /// Unix seconds; infinity for never.
    pub expires_at: f64,
    /// When it is to be checked next.
    pub check_at: Micros,
    /// Milliseconds between two checks; 0 for never.
    pub check_every: u32,
    pub decoder: Decoder,
    pub outbox: Option<Box<Outbox>>,
    pub rare: Option<Box<Rare>>,
}

/// What is left of a connection after something was done with its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Socket {
    /// It goes on.
    Fine,
    /// The peer is gone.
    Lost,
}

impl Connection {
    pub fn new(address: Address, stream: TcpStream, rate: u32, now: Micros) -> Self {
        Self {
            address,
            stream: Some(stream),
            phase: Phase::Open,
            resume: Resume::Live,
            flags: Flags::default(),
            code: ABNORMAL,
            bucket: Bucket::new(rate),
            seen: now,
            turn: u64::MAX,
            expires_at: f64::INFINITY,
            check_at: NEVER,
            check_every: 0,
            decoder: Decoder::new(),
            outbox: None,
            rare: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Go by the times of an identity from now on; its checks begin anew.
    pub fn set_schedule(&mut self, schedule: Schedule, now: Micros) {
        self.expires_at = schedule.expires_at;
        self.check_every = schedule.check_every;
        self.check_at = first_check(self.address.connection, now, schedule.check_every);
    }

    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub fn is_resuming(&self) -> bool {
        self.resume != Resume::Live
    }

    /// Bytes that wait for it, held ones too.
    pub fn waiting(&self) -> usize {
        let held = self.rare.as_ref().and_then(|rare| rare.held.as_ref());
        self.unwritten() + held.map_or(0, |held| held.used())
    }

    /// Bytes that wait for the kernel alone.
    pub fn unwritten(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.used())
    }

    /// Put a frame behind all that is for it; nothing is written. While it resumes, that is behind what is held.
    ///
    /// What is held and what is being handed over are one to the limit, since both are kept for this client. Only in
    /// what is held there are events that may be dropped, so they make room for either.
    pub fn queue(&mut self, frame: Frames, sort: Sort, limit: usize, budget: &Budget) -> Pushed {
        if self.is_resuming() {
            let left = limit.saturating_sub(self.unwritten());
            let held = self.rare().held.get_or_insert_default();
            return held.push(frame, sort, left, budget);
        }
        self.outbox
            .get_or_insert_default()
            .push(frame, sort, limit, budget)
    }

    /// Put a frame into the outbox, which is never dropped, before what is held: a page, or a pong.
    pub fn queue_past_held(&mut self, frame: Frames, limit: usize, budget: &Budget) -> Pushed {
        if !self.is_resuming() {
            return self.queue(frame, Sort::Kept, limit, budget);
        }
        let outbox = self.outbox.get_or_insert_default();
        outbox.append(frame, Sort::Kept, budget);
        let Some(left) = limit.checked_sub(outbox.used()) else {
            return Pushed::Overflow { dropped: 0 };
        };
        let held = self.rare.as_mut().and_then(|rare| rare.held.as_mut());
        held.map_or(Pushed::Taken { dropped: 0 }, |held| {
            held.make_room(left, budget)
        })
    }

    /// Put a frame into the empty outbox of which so many bytes are written already, whatever its limit: a frame that has
    /// begun has to be finished.
    pub fn queue_begun(&mut self, frame: Frames, written: usize, budget: &Budget) {
        self.outbox
            .get_or_insert_default()
            .append_begun(frame, written, budget);
    }

    /// It has had its last page: what is held follows it, and then everything goes its usual way.
    pub fn go_live(&mut self) {
        self.resume = Resume::Live;
        let Some(rare) = &mut self.rare else {
            return;
        };
        if let Some(held) = rare.held.take() {
            match &mut self.outbox {
                Some(outbox) => outbox.take_over(*held),
                None => self.outbox = Some(held),
            }
        }
        if rare.kept.is_empty() {
            self.rare = None; // nothing else is in there while it is open
        }
    }

    /// Throw away what is held, and hold nothing any more; how many best-effort events that were.
    pub fn drop_held(&mut self, budget: &Budget) -> u64 {
        self.resume = Resume::Live;
        let held = self.rare.as_mut().and_then(|rare| rare.held.take());
        held.map_or(0, |mut held| held.discard(budget))
    }

    /// Put the close behind what waits; it always has room.
    pub fn queue_close(&mut self, frame: Frames, budget: &Budget) {
        self.outbox
            .get_or_insert_default()
            .append(frame, Sort::Kept, budget);
    }

    /// Throw away what waits, but for a frame that has begun; how many best-effort events that were.
    pub fn discard(&mut self, budget: &Budget) -> u64 {
        let held = self.drop_held(budget);
        let Some(outbox) = &mut self.outbox else {
            return held;
        };
        let lost = held + outbox.discard(budget);
        if outbox.is_empty() {
            self.outbox = None;
        }
        lost
    }

    /// Write straight to the socket, past an outbox that is empty; how much it took.
    ///
    /// # Errors
    /// The socket's: the peer is gone.
    pub fn write(&mut self, bytes: &[u8], stats: &ReactorStats) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        let sent = loop {
            match stream.write(bytes) {
                Ok(sent) => break sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        // Less than all means that the kernel is full, and that it will say when it is not: the notice is asked for by
        // the very call that comes short.
        self.flags.blocked = sent < bytes.len();
        count(&stats.sends, 1);
        count(&stats.bytes_out, sent as u64);
        Ok(sent)
    }

    /// Write what waits, until nothing does or the kernel takes no more.
    pub fn flush(
        &mut self,
        scratch: &mut Vec<u8>,
        budget: &Budget,
        stats: &ReactorStats,
    ) -> Socket {
        let Some(mut outbox) = self.outbox.take() else {
            return Socket::Fine;
        };
        while !self.flags.blocked {
            let direct = outbox.next(scratch, SEND_BYTES, budget);
            let bytes = match &direct {
                Some((piece, skip)) => &piece.bytes()[*skip..],
                None => &scratch[..],
            };
            if bytes.is_empty() {
                return Socket::Fine; // and the outbox with its memory is gone
            }
            let Ok(sent) = self.write(bytes, stats) else {
                outbox.clear(budget);
                return Socket::Lost;
            };
            outbox.advance(sent, budget);
            if outbox.is_empty() {
                return Socket::Fine;
            }
        }
        self.outbox = Some(outbox);
        Socket::Fine
    }

    /// Let the peer know that nothing follows. What it sends is still read.
    pub fn end_writing(&self) {
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Write); // when it fails the peer is gone, and reading says so
        }
    }
}
