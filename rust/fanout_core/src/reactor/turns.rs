//! The events that wait for a reactor: tenants take turns, so that a noisy one does not stand in front of a quiet one.
//!
//! Deficit round robin, paid in arrears: a turn is worth a slice of recipients, and a tenant goes on until it has used
//! that up or nothing of it waits. Events of a tenant keep their order, and so those of a room do; with a single tenant
//! this is a plain queue. A run, and the frames that gather for a connection, are of one tenant in any case, so that
//! turns take nothing away from coalescing.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::connection::Connection;
use super::context::Context;
use super::passing::{Passing, SLICE};
use crate::index::Recipient;
use crate::ticket::Broadcast;

/// One tenant's.
#[derive(Debug, Default)]
struct Share {
    queue: VecDeque<Arc<Broadcast>>,
    /// The run that is under way; what is in the queue stands behind it.
    passing: Option<Passing>,
}

impl Share {
    fn is_empty(&self) -> bool {
        self.passing.is_none() && self.queue.is_empty()
    }
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Order {
    /// Tenants of whom something waits, in the order of their turns.
    tenants: VecDeque<i64>,
    /// Recipients that the first of them has had in its turn, and at least one for a run.
    used: usize,
}

impl Order {
    /// Something of a tenant waits, of whom nothing did.
    fn enter(&mut self, tenant: i64) {
        self.tenants.push_back(tenant);
    }

    fn current(&self) -> Option<i64> {
        self.tenants.front().copied()
    }

    /// The first has had so many recipients, and something of it still waits or not.
    fn spend(&mut self, recipients: usize, waits: bool) {
        self.used += recipients.max(1);
        if !waits {
            self.tenants.pop_front();
        } else if self.used >= SLICE {
            self.tenants.rotate_left(1);
        } else {
            return;
        }
        self.used = 0;
    }
}

/// What waits, and whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Those of whom something waits.
    shares: FxHashMap<i64, Share>,
    order: Order,
    /// Memory for the next list of recipients.
    spare: Vec<Recipient>,
}

impl Turns {
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Put an event behind those of its tenant.
    pub fn push(&mut self, broadcast: Arc<Broadcast>) {
        let tenant = broadcast.room.tenant();
        let share = self.shares.entry(tenant).or_insert_with(|| {
            self.order.enter(tenant);
            Share::default()
        });
        share.queue.push_back(broadcast);
    }

    /// Pass to a slice of the recipients of whose turn it is; how many events have been passed to everybody by it.
    pub fn slice(
        &mut self,
        cx: &mut Context,
        connections: &mut [Option<Box<Connection>>],
    ) -> usize {
        let Some(tenant) = self.order.current() else {
            return 0;
        };
        let share = self.shares.entry(tenant).or_default();
        let begun = share.passing.take().or_else(|| {
            let first = share.queue.pop_front()?;
            let list = mem::take(&mut self.spare);
            Some(Passing::begin(cx, first, &mut share.queue, list))
        });
        let (mut events, mut recipients) = (0, 0);
        if let Some(mut passing) = begun {
            let before = passing.reached();
            let is_over = passing.slice(cx, connections).is_break();
            recipients = passing.reached() - before;
            if is_over {
                events = passing.events();
                self.spare = passing.finish(cx);
            } else {
                share.passing = Some(passing);
            }
        }
        let waits = !share.is_empty();
        if !waits {
            self.shares.remove(&tenant);
        }
        self.order.spend(recipients, waits);
        events
    }

    /// Take everything out: the runs under way, and the events that none was begun for.
    pub fn end(&mut self) -> (Vec<Passing>, Vec<Arc<Broadcast>>) {
        self.order = Order::default();
        let mut under_way = Vec::new();
        let mut waiting = Vec::new();
        for (_, share) in self.shares.drain() {
            under_way.extend(share.passing);
            waiting.extend(share.queue);
        }
        (under_way, waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_slice_of_recipients_however_many_runs_that_are() {
        let mut order = Order::default();
        order.enter(1);
        order.enter(2);
        for _ in 0..SLICE / 64 {
            assert_eq!(order.current(), Some(1));
            order.spend(64, true);
        }
        assert_eq!(order.current(), Some(2));
        order.spend(SLICE, true); // a crowd, cut
        assert_eq!(order.current(), Some(1));
    }

    #[test]
    fn runs_for_nobody_are_not_for_free() {
        let mut order = Order::default();
        order.enter(1);
        order.enter(2);
        for _ in 0..SLICE {
            order.spend(0, true);
        }
        assert_eq!(order.current(), Some(2));
    }

    #[test]
    fn who_has_nothing_left_goes_and_the_next_has_a_whole_turn() {
        let mut order = Order::default();
        order.enter(1);
        order.enter(2);
        order.spend(SLICE - 1, false);
        order.spend(1, true);
        assert_eq!(order.current(), Some(2));
        order.enter(1);
        order.spend(SLICE - 1, true);
        assert_eq!(order.current(), Some(1), "behind the other");
        order.spend(1, false);
        order.spend(1, false);
        assert_eq!(order.current(), None);
    }

    #[test]
    fn a_newcomer_waits_for_one_turn_of_each_and_no_more() {
        let mut order = Order::default();
        order.enter(1);
        order.spend(10, true); // of thousands
        order.enter(2);
        let before = (0..).take_while(|_| {
            let is_other = order.current() == Some(1);
            if is_other {
                order.spend(10, true);
            }
            is_other
        });
        assert!(before.count() <= SLICE.div_ceil(10));
    }
}
