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
use super::stats::count;
use crate::close_code::ABNORMAL;
use crate::index::Recipient;
use crate::lock::lock;
use crate::report::Reach;
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
    passed: u64,
    /// What became of each event, in the order of the run; empty where none is reported on.
    reach: Vec<Reach>,
}

/// How far a run came with one recipient: of its events those before `sent` were, those before `queued` were queued,
/// and the others were dropped, for a reason.
#[derive(Clone, Copy, Debug)]
struct Came {
    sent: usize,
    queued: usize,
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
        let reach = if run.iter().any(|broadcast| broadcast.is_reported()) {
            vec![Reach::default(); run.len()]
        } else {
            Vec::new()
        };
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
            passed: 0,
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
                self.passed += (self.run.len() - from) as u64;
                let came = self.deliver(cx, found, from);
                self.count(from, came);
                cx.reap(place);
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
        let stats = cx.stats();
        count(&stats.broadcasts, self.run.len() as u64);
        count(&stats.deliveries, self.passed);
        for broadcast in &self.run {
            count(
                &stats.broadcast_micros,
                now.saturating_sub(broadcast.accepted),
            );
        }
        for (broadcast, reach) in self.run.iter().zip(&self.reach) {
            broadcast.tally.add(*reach);
        }
        for broadcast in &self.run {
            cx.core.passed(broadcast);
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
    fn deliver(&self, cx: &mut Context, connection: &mut Connection, from: usize) -> Came {
        if connection.is_resuming() {
            return self.queue(cx, connection, from); // it is held: there is nothing to flush
        }
        if self.gathers || connection.outbox.is_some() {
            let came = self.queue(cx, connection, from);
            if connection.unwritten() > GATHER_BYTES {
                cx.flush(connection);
            } else {
                cx.flush_later(connection);
            }
            return came;
        }
        let start = self.bounds[from] as usize;
        let (core, owner) = (&cx.core, cx.owner);
        match connection.write(&self.buffer[start..], stats(core, owner)) {
            Err(_) => {
                cx.lose(connection, ABNORMAL);
                Came {
                    sent: from,
                    queued: from,
                    is_lost: true,
                }
            }
            Ok(sent) if start + sent == self.buffer.len() => Came {
                sent: self.run.len(),
                queued: self.run.len(),
                is_lost: false,
            },
            Ok(sent) => self.queue_rest(cx, connection, start + sent),
        }
    }

    fn queue(&self, cx: &mut Context, connection: &mut Connection, from: usize) -> Came {
        let mut queued = from;
        for number in from..self.run.len() {
            cx.queue(connection, self.frame(number), self.sort(number));
            if !connection.is_open() {
                break; // this one was too much
            }
            queued = number + 1;
        }
        Came {
            sent: from,
            queued,
            is_lost: false,
        }
    }

    /// Count one recipient for the events from the given one on.
    fn count(&mut self, from: usize, came: Came) {
        for (number, reach) in self.reach.iter_mut().enumerate().skip(from) {
            let counter = if number < came.sent {
                &mut reach.sent
            } else if number < came.queued {
                &mut reach.queued
            } else if came.is_lost {
                &mut reach.gone
            } else {
                &mut reach.slow
            };
            *counter += 1;
        }
    }

    /// Queue what the kernel did not take, from this offset of the buffer on.
    fn queue_rest(&self, cx: &mut Context, connection: &mut Connection, offset: usize) -> Came {
        let begun = self
            .bounds
            .partition_point(|bound| *bound as usize <= offset)
            - 1;
        let written = offset - self.bounds[begun] as usize;
        if written == 0 {
            return self.queue(cx, connection, begun);
        }
        // From its first byte on a frame may not be dropped, neither for itself nor for the others.
        let budget = &sockets(&cx.core).budget;
        connection.queue_begun(self.frame(begun), written, budget);
        cx.is_over_budget |= budget.is_exceeded();
        let rest = self.queue(cx, connection, begun + 1);
        Came {
            sent: begun,
            ..rest
        }
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
