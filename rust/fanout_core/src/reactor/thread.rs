//! The loop of one reactor: sockets, commands, time.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll};

use super::command::{Address, Adoption, Closing, Command, Done, Until, WAKER};
use super::connection::{Connection, Resume};
use super::context::{Context, entry_of, sockets, tag};
use super::frames::Frames;
use super::outbox::Sort;
use super::passing::{Passing, SLICE, relieve};
use super::reading::{READ_BYTES, read};
use super::wheel::{Entry, Wheel};
use crate::clock::Micros;
use crate::close_code::{ABNORMAL, reason};
use crate::core::Core;
use crate::frame::close_frame;
use crate::id::{ConnectionId, OwnerId};
use crate::index::Recipient;
use crate::notice::Notice;

/// Work between two looks at the sockets.
const PASS_EVENTS: usize = 256;
const PASS_TIME: Duration = Duration::from_millis(2);

/// Expiry goes by the wall clock, which an administrator or NTP may set forward while we sleep; a connection then outlives
/// its token by no more than this. `MAX_SLEEP` of `timekeeper.py`.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// Wall time may drift against monotonic time by this much, in seconds, before everybody's expiry is looked at anew. Entries
/// are looked at once a round of the wheel anyway, in which NTP's slewing moves the clock by a third of it.
const MAX_DRIFT: f64 = 0.1;

/// One reactor. Lives on its thread.
#[derive(Debug)]
pub(super) struct Reactor {
    poll: Poll,
    cx: Context,
    /// By slot; the slots are those of the index.
    connections: Vec<Option<Box<Connection>>>,
    commands: VecDeque<Command>,
    passing: Option<Passing>,
    /// Memory for the next list of recipients.
    spare: Vec<Recipient>,
    /// Events that have gathered in outboxes since the last flush.
    gathered: usize,
    /// Whether outboxes are being flushed, before which nothing more is passed.
    flushing: bool,
    /// Who waits for the reactor to have come so far.
    barriers: Vec<(Until, Done)>,
    read_buffer: Box<[u8]>,
    /// Wall time less monotonic time, in seconds, when everybody's expiry was last looked at.
    drift: f64,
    stopping: bool,
}

impl Reactor {
    pub fn new(core: Arc<Core>, owner: OwnerId, poll: Poll) -> Self {
        let now = core.clock.monotonic();
        let wall = core.clock.wall();
        let registry = poll
            .registry()
            .try_clone()
            .expect("a descriptor for the reactor's registry");
        let cx = Context {
            settings: sockets(&core).settings,
            core,
            owner,
            registry,
            wheel: Wheel::new(now),
            now,
            wall,
            ready: VecDeque::new(),
            dirty: VecDeque::new(),
            scratch: Vec::new(),
            is_over_budget: false,
            due: Vec::new(),
        };
        Self {
            poll,
            cx,
            connections: Vec::new(),
            commands: VecDeque::new(),
            passing: None,
            spare: Vec::new(),
            gathered: 0,
            flushing: false,
            barriers: Vec::new(),
            read_buffer: vec![0; READ_BYTES].into(),
            drift: wall - seconds(now),
            stopping: false,
        }
    }

    /// Go round until the command to stop.
    ///
    /// # Panics
    /// When the system's poll fails, which it does for a fault of ours alone.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.stopping {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.expect("the reactor's poll works"),
            }
            let woken = Instant::now();
            self.cx.now = self.cx.core.clock.monotonic();
            let mut is_quiet = true;
            for event in &events {
                is_quiet &= event.token() == WAKER;
                self.on_event(event);
            }
            self.read_ready();
            let mailbox = &sockets(&self.cx.core).reactors[self.cx.owner.index() - 1].mailbox;
            self.commands.extend(mailbox.take());
            self.work();
            self.keep_time();
            self.answer_barriers(is_quiet);
            let micros = u64::try_from(woken.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.cx.stats().lag.fetch_max(micros, Ordering::Relaxed);
        }
        self.cut_off();
    }

    /// How long to wait for sockets: not at all while there is work.
    fn timeout(&mut self) -> Option<Duration> {
        let is_busy = self.passing.is_some()
            || !self.commands.is_empty()
            || !self.cx.dirty.is_empty()
            || !self.cx.ready.is_empty()
            || self
                .barriers
                .iter()
                .any(|(until, _)| *until != Until::Empty);
        if is_busy {
            return Some(Duration::ZERO);
        }
        if self.cx.core.clock.is_manual() {
            return None;
        }
        let next = self.cx.wheel.next()?;
        let now = self.cx.core.clock.monotonic();
        Some(Duration::from_micros(next.saturating_sub(now)).min(MAX_SLEEP))
    }

    // --- sockets ---

    fn on_event(&mut self, event: &Event) {
        if event.token() == WAKER {
            return;
        }
        self.at(entry_of(event.token()), |cx, connection| {
            if event.is_writable() && connection.flags.blocked {
                connection.flags.blocked = false;
                cx.flush(connection);
            }
            if event.is_read_closed() || event.is_error() {
                connection.flags.peer_done = true;
            }
            if event.is_readable() || connection.flags.peer_done {
                cx.read_later(connection);
            }
        });
    }

    /// Read each that is ready once; those that are ready again wait for the next pass.
    fn read_ready(&mut self) {
        let mut buffer = mem::take(&mut self.read_buffer);
        for _ in 0..self.cx.ready.len() {
            let Some(address) = self.cx.ready.pop_front() else {
                break;
            };
            self.with(address, |cx, connection| read(cx, connection, &mut buffer));
        }
        self.read_buffer = buffer;
        relieve(&mut self.cx, &mut self.connections);
    }

    // --- work ---

    /// Pass events and do what was commanded, for a while.
    fn work(&mut self) {
        let start = Instant::now();
        let mut events = 0;
        while !self.stopping && events < PASS_EVENTS && start.elapsed() < PASS_TIME {
            if let Some(passing) = &mut self.passing {
                if passing
                    .slice(&mut self.cx, &mut self.connections)
                    .is_break()
                {
                    events += passing.events();
                    self.gathered += passing.events();
                    if let Some(passing) = self.passing.take() {
                        self.spare = passing.finish(&self.cx);
                    }
                }
                relieve(&mut self.cx, &mut self.connections);
            } else if self.flushing || self.gathered >= PASS_EVENTS || self.commands.is_empty() {
                if self.cx.dirty.is_empty() && self.commands.is_empty() {
                    self.flushing = false;
                    self.gathered = 0;
                    return;
                }
                self.flush_some();
            } else if let Some(command) = self.commands.pop_front() {
                self.obey(command);
            }
        }
    }

    /// Flush as many as are passed to in a slice.
    fn flush_some(&mut self) {
        self.flushing = true;
        for _ in 0..SLICE {
            let Some(address) = self.cx.dirty.pop_front() else {
                self.flushing = false;
                self.gathered = 0;
                return;
            };
            self.with(address, |cx, connection| {
                connection.flags.dirty = false;
                cx.flush(connection);
            });
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Pass(broadcast) => {
                let spare = mem::take(&mut self.spare);
                let passing = Passing::begin(&self.cx, broadcast, &mut self.commands, spare);
                self.passing = Some(passing);
            }
            Command::Adopt(address, adoption) => self.adopt(address, *adoption),
            Command::Refuse(slot, stream, frame) => self.refuse(slot, stream, frame),
            Command::Send(address, frame) => self.with(address, |cx, connection| {
                if connection.is_open() {
                    cx.queue(connection, Frames::whole(frame), Sort::Kept);
                    cx.flush_later(connection);
                }
            }),
            Command::Answer(address, frame) => self.with(address, |cx, connection| {
                if connection.is_open() {
                    connection.flags.asked = false;
                    if let Some(frame) = frame {
                        cx.queue(connection, Frames::whole(frame), Sort::Kept);
                        cx.flush_later(connection);
                    }
                    cx.read_later(connection);
                }
            }),
            Command::AnswerPing(address) => self.with(address, |cx, connection| {
                if connection.is_open() {
                    connection.flags.asked = false;
                    cx.answer_ping(connection);
                    cx.flush_later(connection);
                    cx.read_later(connection);
                }
            }),
            Command::Page(address, page) => {
                self.with(address, |cx, connection| cx.page(connection, &page));
            }
            Command::Close(address, closing) => self.close(address, *closing),
            Command::Reschedule(address, schedule) => self.with(address, |cx, connection| {
                connection.set_schedule(schedule, cx.now);
                cx.rearm(connection);
            }),
            Command::CloseAll(code) => self.close_all(code),
            Command::Tick => {} // the time is looked at in every pass
            Command::Barrier(until, done) => self.barriers.push((until, done)),
            Command::Hold(held, released) => {
                let _ = held.send(());
                let _ = released.recv(); // an error, when the sender is dropped: nothing is ever sent
            }
            Command::Stop => self.stopping = true,
        }
        relieve(&mut self.cx, &mut self.connections);
    }

    fn adopt(&mut self, address: Address, adoption: Adoption) {
        let rate = self.cx.settings.message_rate;
        let mut connection = Connection::new(address, adoption.stream, rate, self.cx.now);
        connection.set_schedule(adoption.schedule, self.cx.now);
        if adoption.is_resuming {
            connection.resume = Resume::Wanting;
        }
        if !adoption.early.is_empty() {
            connection.rare().kept = adoption.early.into();
        }
        self.enter(connection);
        self.with(address, |cx, connection| {
            if let Some(first) = adoption.first {
                cx.queue_past_held(connection, Frames::whole(first));
                cx.flush(connection);
            }
            cx.read_later(connection); // what came early, or what is there already
            cx.rearm(connection);
        });
    }

    fn refuse(&mut self, slot: u32, stream: std::net::TcpStream, frame: Arc<[u8]>) {
        let address = Address {
            slot,
            connection: ConnectionId::cursor(0), // nobody's
        };
        let mut connection = Connection::new(address, stream, 0, self.cx.now);
        connection.flags.told = true;
        self.enter(connection);
        self.with(address, |cx, connection| {
            if connection.is_open() {
                cx.begin_close(connection, ABNORMAL, Frames::whole(frame), None);
                cx.flush(connection);
            }
        });
    }

    /// Put a connection into its slot and have its socket watched.
    fn enter(&mut self, connection: Connection) {
        let address = connection.address;
        let slot = address.slot as usize;
        if slot >= self.connections.len() {
            self.connections.resize_with(slot + 1, || None);
        }
        debug_assert!(self.connections[slot].is_none(), "a slot is released first");
        self.connections[slot] = Some(Box::new(connection));
        self.with(address, |cx, connection| {
            let prepared = connection.stream.as_ref().map_or(Ok(()), |stream| {
                // Nagle's wait would delay every event by a round trip. A socket that knows no TCP has none.
                let _ = stream.set_nodelay(true);
                stream.set_nonblocking(true)
            });
            if prepared.and_then(|()| cx.register(connection)).is_err() {
                drop(connection.stream.take()); // not counted yet, and not watched
                cx.lose(connection, ABNORMAL);
            }
        });
    }

    fn close(&mut self, address: Address, closing: Closing) {
        let Closing {
            code,
            frame,
            identity,
        } = closing;
        self.with(address, |cx, connection| {
            if connection.is_open() {
                cx.begin_close(connection, code, Frames::whole(frame), Some(identity));
                cx.flush_later(connection);
                return;
            }
            // It was lost, or was closed by us, in the same moment; now it is known who it was.
            connection.rare().identity = Some(identity);
            if connection.flags.is_final {
                cx.tell(connection);
            }
        });
    }

    fn close_all(&mut self, code: u16) {
        let frame = close_frame(code, reason(code));
        let open: Vec<_> = self.open().collect();
        for address in open {
            self.with(address, |cx, connection| {
                // Without an identity its own close is in the queue behind this, with a code of its own; too late.
                let identity = cx.core.depart(address.connection, cx.owner);
                cx.begin_close(
                    connection,
                    code,
                    Frames::whole(Arc::clone(&frame)),
                    identity,
                );
                cx.flush_later(connection);
            });
        }
    }

    fn open(&self) -> impl Iterator<Item = Address> {
        self.connections
            .iter()
            .flatten()
            .filter(|connection| connection.is_open())
            .map(|connection| connection.address)
    }

    // --- time ---

    fn keep_time(&mut self) {
        let clock = &self.cx.core.clock;
        let exactly = clock.is_manual();
        self.cx.now = clock.monotonic();
        self.cx.wall = clock.wall();
        let drift = self.cx.wall - seconds(self.cx.now);
        if (drift - self.drift).abs() > MAX_DRIFT {
            self.drift = drift;
            let open: Vec<_> = self.open().collect();
            for address in open {
                self.with(address, Context::rearm);
            }
        }
        for (turn, entry) in self.cx.wheel.take(self.cx.now, exactly) {
            self.at(entry, |cx, connection| {
                // Another turn's entry is the one that counts, where a sooner deadline came after this was set.
                if connection.turn == turn {
                    cx.look(connection);
                }
            });
        }
        if !self.cx.due.is_empty() {
            let due = mem::take(&mut self.cx.due);
            self.cx.sockets().notices.push(Notice::Due(due));
        }
    }

    fn answer_barriers(&mut self, is_quiet: bool) {
        if self.barriers.is_empty() || self.passing.is_some() || !self.cx.dirty.is_empty() {
            return;
        }
        let is_quiet = is_quiet && self.commands.is_empty() && self.cx.ready.is_empty();
        let is_empty = self.connections.iter().all(Option::is_none);
        let waiting = mem::take(&mut self.barriers);
        for (until, done) in waiting {
            let is_reached = match until {
                Until::Passed => true,
                Until::Quiet => is_quiet,
                Until::Empty => is_empty && self.commands.is_empty(),
            };
            if is_reached {
                done.tell(&self.cx.sockets().notices);
            } else {
                self.barriers.push((until, done));
            }
        }
    }

    // --- the end ---

    fn cut_off(&mut self) {
        let all: Vec<_> = self
            .connections
            .iter()
            .flatten()
            .map(|connection| connection.address)
            .collect();
        for address in all {
            self.with(address, |cx, connection| {
                cx.lose(connection, connection.code);
            });
        }
        // Events that nobody will pass any more still hold permits.
        if let Some(passing) = self.passing.take() {
            passing.finish(&self.cx);
        }
        let mailbox = &sockets(&self.cx.core).reactors[self.cx.owner.index() - 1].mailbox;
        self.commands.extend(mailbox.end());
        while let Some(command) = self.commands.pop_front() {
            match command {
                Command::Pass(broadcast) => {
                    let now = self.cx.core.clock.monotonic();
                    self.cx.core.passed(self.cx.owner, &broadcast, now);
                }
                Command::Close(address, closing) => self.close(address, *closing),
                _ => {}
            }
        }
    }

    // --- one connection ---

    /// Do something with a connection, if it is still there.
    fn with(&mut self, address: Address, act: impl FnOnce(&mut Context, &mut Connection)) {
        let entry = Entry {
            slot: address.slot,
            tag: tag(address),
        };
        self.at(entry, act);
    }

    /// The same, for who knows only half of the id.
    fn at(&mut self, entry: Entry, act: impl FnOnce(&mut Context, &mut Connection)) {
        let Some(place) = self.connections.get_mut(entry.slot as usize) else {
            return;
        };
        let Some(connection) = place else {
            return;
        };
        if tag(connection.address) != entry.tag {
            return;
        }
        act(&mut self.cx, connection);
        self.cx.reap(place);
    }
}

#[expect(clippy::cast_precision_loss, reason = "285 years of microseconds fit")]
fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}
