//! An event, or a run of events, on its way to a room's members.
//!
//! *When nothing else waits*, an event is written straight to each recipient whose outbox is empty. *In a burst*, those
//! in a row that have the same room and audiences are copied together once, and sent as one: a send costs what it costs
//! for one byte or for thousands. What cannot be copied together gathers in outboxes, and each of those is
//! flushed once. So batching comes only of work that waits already; no timer ever delays anything.
//!
//! *It is cut* between recipients, so that a room of ten thousand does not hold up heartbeats. What counts is who is
//! entitled when he is reached: recipients are copied out of the index once, and whoever lost something since is asked
//! about again, which one number tells without the lock (see `Owned` in `core.rs`).

use std::collections::VecDeque;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::command::{Address, Command};
use super::connection::Connection;
use super::context::{Context, sockets, stats};
use super::frames::{Frames, narrow};
use super::outbox::Sort;
use crate::close_code::ABNORMAL;
use crate::index::Recipient;
use crate::lock::lock;
use crate::measures::Reach;
use crate::ticket::Broadcast;

/// Recipients between two looks at the sockets; some 2 ms of sends. `SLICE` of `broadcaster.py`.
pub(super) const SLICE: usize = 256;

/// Events in one run, and their bytes: a buffer far above what one send takes would only be copied for nothing.
const RUN: usize = 64;
const RUN_BYTES: usize = 256 * 1024;

/// What an outbox may gather in a burst before it is flushed all the same; a burst alone must not overflow one.
const GATHER_BYTES: usize = 64 * 1024;

/// A run on its way.
#[derive(Debug)]
pub(super) struct Passing {
    /// In the order of their tickets; with the same room and the same audiences.
    run: Vec<Arc<Broadcast>>,
    /// Their frames, one behind the other.
    buffer: Arc<[u8]>,
    /// Where each frame begins, and where the last one ends.
    bounds: Vec<u32>,
    recipients: Vec<Recipient>,
    /// The next recipient.
    at: usize,
    /// The number of losses when the recipients were copied.
    losses: u64,
    /// Whether frames gather in outboxes, because more waits.
    gathers: bool,
    /// By event of the run, as differences: what an entry says holds from its event on, until another takes it back.
    reach: Vec<Reach>,
}

/// What became of the events of a run that were for one recipient.
struct Fate {
    /// The first of them that was not written at once; the run's length if all were.
    unwritten: usize,
    /// Whether the connection ended over it.
    is_lost: bool,
}

impl Passing {
    /// Begin with an event, and those behind it in the queue that can go with it.
    pub fn begin(
        cx: &Context,
        first: Arc<Broadcast>,
        queue: &mut VecDeque<Command>,
        mut recipients: Vec<Recipient>,
    ) -> Self {
        let mut bytes = first.frame.len();
        let mut run = vec![first];
        while run.len() < RUN
            && bytes < RUN_BYTES
            && let Some(Command::Pass(next)) = queue.front()
            && goes_with(&run[0], next)
        {
            bytes += next.frame.len();
            if let Some(Command::Pass(next)) = queue.pop_front() {
                run.push(next);
            }
        }
        let mut bounds = vec![0];
        let mut end = 0;
        for broadcast in &run {
            end += broadcast.frame.len();
            bounds.push(narrow(end));
        }
        let buffer = if let [alone] = &run[..] {
            Arc::clone(&alone.frame)
        } else {
            let mut together = Vec::with_capacity(end);
            for broadcast in &run {
                together.extend_from_slice(&broadcast.frame);
            }
            Arc::from(together)
        };
        let reach = vec![Reach::default(); run.len()];
        let last = &run[run.len() - 1];
        recipients.clear();
        let owned = &cx.core.owned[cx.owner.index()];
        let mut index = lock(&owned.index);
        last.recipients(&mut index, &mut recipients);
        let losses = cx.losses(); // under the lock: exactly that of the copy
        drop(index);
        Self {
            run,
            buffer,
            bounds,
            recipients,
            at: 0,
            losses,
            gathers: matches!(queue.front(), Some(Command::Pass(_))),
            reach,
        }
    }

    /// How many events.
    pub fn events(&self) -> usize {
        self.run.len()
    }

    /// Pass to the next recipients; `Break` when there are none left.
    pub fn slice(
        &mut self,
        cx: &mut Context,
        connections: &mut [Option<Box<Connection>>],
    ) -> ControlFlow<()> {
        let end = self.recipients.len().min(self.at + SLICE);
        let mut losses = self.losses;
        while self.at < end {
            let now = cx.losses();
            if now != losses {
                losses = self.ask_again(cx, end);
                continue;
            }
            let Recipient {
                connection,
                slot,
                since,
            } = self.recipients[self.at];
            self.at += 1;
            let address = Address { slot, connection };
            let Some(place) = connections.get_mut(slot as usize) else {
                continue; // nobody's any more
            };
            if let Some(found) = place
                && found.address == address
                && found.is_open()
            {
                let from = self
                    .run
                    .partition_point(|broadcast| broadcast.ticket < since);
                let fate = self.deliver(cx, found, from);
                cx.reap(place);
                self.reach[from].matched += 1;
                if let Some(reach) = self.reach.get_mut(fate.unwritten) {
                    if fate.is_lost {
                        reach.lost += 1;
                    } else {
                        reach.queued += 1;
                    }
                }
            }
        }
        if self.at < self.recipients.len() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// All recipients were reached: the room is passed up to here, and the permits are given back; the memory of the
    /// list, for the next.
    pub fn finish(self, cx: &Context) -> Vec<Recipient> {
        let mut critical = self.run.iter().rev();
        if let Some(last) = critical.find(|broadcast| broadcast.position.is_some()) {
            cx.core.set_position(cx.owner, last);
        }
        let now = cx.core.clock.monotonic();
        let mut reach = Reach::default();
        for (broadcast, more) in self.run.iter().zip(&self.reach) {
            reach.matched += more.matched;
            reach.queued += more.queued;
            reach.lost += more.lost;
            broadcast.reach.add(reach);
            cx.core.passed(cx.owner, broadcast, now);
        }
        let mut recipients = self.recipients;
        if recipients.capacity() > 4 * SLICE {
            recipients = Vec::new(); // a crowd's list is not kept for the small rooms
        }
        recipients
    }

    /// Ask the index about the recipients up to `end`; the number of losses that the answer is of.
    fn ask_again(&mut self, cx: &Context, end: usize) -> u64 {
        let last = &self.run[self.run.len() - 1];
        let index = lock(&cx.core.owned[cx.owner.index()].index);
        for recipient in &mut self.recipients[self.at..end] {
            match last.since(&index, recipient.connection) {
                Some(since) => recipient.since = since,
                None => recipient.slot = u32::MAX, // nobody's
            }
        }
        cx.losses()
    }

    /// Pass the frames from the given one on to one open connection.
    fn deliver(&self, cx: &mut Context, connection: &mut Connection, from: usize) -> Fate {
        let unwritten = self.write(cx, connection, from);
        Fate {
            unwritten,
            is_lost: unwritten < self.run.len() && !connection.is_open(),
        }
    }

    /// Write or queue them; the first that was not written.
    fn write(&self, cx: &mut Context, connection: &mut Connection, from: usize) -> usize {
        if connection.is_resuming() {
            self.queue(cx, connection, from); // it is held: there is nothing to flush
            return from;
        }
        if self.gathers || connection.outbox.is_some() {
            self.queue(cx, connection, from);
            if connection.unwritten() > GATHER_BYTES {
                cx.flush(connection);
            } else {
                cx.flush_later(connection);
            }
            return from;
        }
        let start = self.bounds[from] as usize;
        let (core, owner) = (&cx.core, cx.owner);
        match connection.write(&self.buffer[start..], stats(core, owner)) {
            Err(_) => {
                cx.lose(connection, ABNORMAL);
                from
            }
            Ok(sent) if start + sent == self.buffer.len() => self.run.len(),
            Ok(sent) => self.queue_rest(cx, connection, start + sent),
        }
    }

    fn queue(&self, cx: &mut Context, connection: &mut Connection, from: usize) {
        for number in from..self.run.len() {
            if !connection.is_open() {
                break; // the last one was too much
            }
            cx.queue(connection, self.frame(number), self.sort(number));
        }
    }

    /// Queue what the kernel did not take, from this offset of the buffer on; the event that begins there.
    fn queue_rest(&self, cx: &mut Context, connection: &mut Connection, offset: usize) -> usize {
        let begun = self
            .bounds
            .partition_point(|bound| *bound as usize <= offset)
            - 1;
        let written = offset - self.bounds[begun] as usize;
        if written == 0 {
            self.queue(cx, connection, begun);
            return begun;
        }
        // From its first byte on a frame may not be dropped, neither for itself nor for the others.
        let budget = &sockets(&cx.core).budget;
        connection.queue_begun(self.frame(begun), written, budget);
        cx.is_over_budget |= budget.is_exceeded();
        self.queue(cx, connection, begun + 1);
        begun
    }

    fn frame(&self, number: usize) -> Frames {
        Frames::part(&self.buffer, self.bounds[number]..self.bounds[number + 1])
    }

    fn sort(&self, number: usize) -> Sort {
        if self.run[number].position.is_some() {
            Sort::Kept
        } else {
            Sort::BestEffort
        }
    }
}

/// Whether an event may go in one buffer with another.
fn goes_with(first: &Broadcast, next: &Broadcast) -> bool {
    first.room == next.room && first.audiences == next.audiences
}

/// Give up the largest outboxes until the node is within its budget, or this reactor holds none any more.
///
/// The one place that looks at all connections. Each look frees the largest outbox there is, so it comes once in many
/// pushes even under attack.
pub(super) fn relieve(cx: &mut Context, connections: &mut [Option<Box<Connection>>]) {
    while mem::take(&mut cx.is_over_budget) && cx.sockets().budget.is_exceeded() {
        let largest = connections
            .iter_mut()
            .flatten()
            .filter(|connection| connection.is_open() && connection.waiting() > 0)
            .max_by_key(|connection| connection.waiting());
        let Some(connection) = largest else {
            return;
        };
        cx.give_up(connection);
        cx.is_over_budget = true; // look again
    }
}
