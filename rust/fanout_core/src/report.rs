//! What became of critical events: counted per event, kept for the last ones.
//!
//! A reactor counts a run of events in plain numbers and adds them up when it is done; whoever of an event's owners is
//! the last writes the report. So an event costs one short lock for all its recipients, and a best-effort one nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::Micros;
use crate::id::Room;
use crate::lock::lock;

/// Reports that are kept: some 150 bytes each.
pub const REPORTS: usize = 10_000;

/// How many recipients had what happen to them; each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The kernel took the whole of it at once.
    pub sent: u32,
    /// It went into the outbox: behind what waited, in a burst, or behind the history of one that resumes.
    pub queued: u32,
    /// Its outbox was full, and the connection was closed in place of it.
    pub slow: u32,
    /// The connection turned out to be lost.
    pub gone: u32,
}

/// The same, added up by several owners.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU32,
    queued: AtomicU32,
    slow: AtomicU32,
    gone: AtomicU32,
}

impl Tally {
    /// Add an owner's. Relaxed: `Broadcast::passed` orders it before the last owner's look.
    pub fn add(&self, reach: Reach) {
        self.sent.fetch_add(reach.sent, Ordering::Relaxed);
        self.queued.fetch_add(reach.queued, Ordering::Relaxed);
        self.slow.fetch_add(reach.slow, Ordering::Relaxed);
        self.gone.fetch_add(reach.gone, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn sum(&self) -> Reach {
        Reach {
            sent: self.sent.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            slow: self.slow.load(Ordering::Relaxed),
            gone: self.gone.load(Ordering::Relaxed),
        }
    }
}

/// What became of one event on this node.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its room.
    pub room: Room,
    /// Its position; the part before the slash is its id.
    pub position: Arc<str>,
    /// Its recipients.
    pub reach: Reach,
    /// From accepting it until its last recipient was reached.
    pub took: Micros,
    /// When that was, in Unix seconds.
    pub at: f64,
}

/// The last reports. Thread-safe; its lock is a leaf.
#[derive(Debug, Default)]
pub struct Reports {
    kept: Mutex<VecDeque<Report>>,
}

impl Reports {
    /// Keep one more, and let go of the oldest when there are too many.
    pub fn push(&self, report: Report) {
        let mut kept = lock(&self.kept);
        if kept.len() == REPORTS {
            kept.pop_front();
        }
        kept.push_back(report);
    }

    /// The reports about an event of this id, oldest first: one, but where an event was passed again after a failover.
    ///
    /// It looks at all of them, some 100 µs: people ask, not machines.
    pub fn find(&self, event_id: &str) -> Vec<Report> {
        let is_it = |report: &&Report| {
            let rest = report.position.strip_prefix(event_id);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        lock(&self.kept).iter().filter(is_it).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(position: &str) -> Report {
        Report {
            room: Room::new(1, 5).unwrap(),
            position: position.into(),
            reach: Reach::default(),
            took: 0,
            at: 0.0,
        }
    }

    #[test]
    fn an_id_is_found_whole() {
        let reports = Reports::default();
        for position in ["1-1/a", "1-11/b", "11-1/c", "1-1/d"] {
            reports.push(report(position));
        }
        assert_eq!(
            reports.find("1-1"),
            [report("1-1/a"), report("1-1/d")]
        );
        assert!(reports.find("1").is_empty() && reports.find("").is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let reports = Reports::default();
        for number in 0..=REPORTS {
            reports.push(report(&format!("{number}-0/a")));
        }
        assert!(reports.find("0-0").is_empty());
        assert_eq!(reports.find("1-0").len(), 1);
        assert_eq!(lock(&reports.kept).len(), REPORTS);
    }
}
