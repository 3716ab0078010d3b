//! What is counted of every event: how many it reached, how, and how long that took.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::clock::Micros;
use crate::histogram::{Counted, Histogram};

/// Microseconds, from a room of ten to a queue that has been full for a while; `BROADCAST_BUCKETS` of `measures.py`.
static PASSING: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// Microseconds, from a good day to an outage of Redis; `END_TO_END_BUCKETS` of `measures.py`.
static END_TO_END: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Recipients; `AUDIENCE_BUCKETS` of `measures.py`.
static AUDIENCE: [u64; 14] = [
    0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];

/// Recipients of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Those who were entitled when it came to them.
    pub matched: u32,
    /// Those of them for whom it waited in an outbox, since it could not be written at once.
    pub queued: u32,
    /// Those of them whose connection ended over it, gone or too slow.
    pub lost: u32,
}

/// The same, added up by the owners that pass the event.
#[derive(Debug, Default)]
pub struct SharedReach {
    matched: AtomicU32,
    queued: AtomicU32,
    lost: AtomicU32,
}

impl SharedReach {
    /// One owner has passed the event to so many. It says so before it says that it is done, which orders both.
    pub fn add(&self, reach: Reach) {
        for (sum, more) in [
            (&self.matched, reach.matched),
            (&self.queued, reach.queued),
            (&self.lost, reach.lost),
        ] {
            if more > 0 {
                sum.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// What all owners said; for the last one.
    #[must_use]
    pub fn sum(&self) -> Reach {
        Reach {
            matched: self.matched.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }
}

/// What became of an event that somebody asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number under which it was asked.
    pub watch: u64,
    /// Whom it reached.
    pub reach: Reach,
    /// Microseconds from its acceptance until the last owner had passed it.
    pub took: Micros,
}

/// One owner's histograms: an event is counted by the last owner that passes it, once.
#[derive(Debug)]
pub struct Measures {
    passing: Histogram,
    end_to_end: Histogram,
    audience: Histogram,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            passing: Histogram::new(&PASSING),
            end_to_end: Histogram::new(&END_TO_END),
            audience: Histogram::new(&AUDIENCE),
        }
    }
}

impl Measures {
    /// Count an event that was passed: to so many, after so many microseconds, so old when it was accepted.
    pub fn record(&self, matched: u32, took: Micros, age: Option<Micros>) {
        self.passing.record(took);
        self.audience.record(u64::from(matched));
        if let Some(age) = age {
            self.end_to_end.record(age.saturating_add(took));
        }
    }

    /// The sums over owners, by name.
    pub fn sums<'a>(
        owners: &(impl Iterator<Item = &'a Self> + Clone),
    ) -> [(&'static str, Counted); 3] {
        let of = |pick: fn(&Self) -> &Histogram, bounds| {
            Counted::sum_of(bounds, owners.clone().map(pick))
        };
        [
            ("passing", of(|measures| &measures.passing, &PASSING)),
            (
                "end_to_end",
                of(|measures| &measures.end_to_end, &END_TO_END),
            ),
            ("audience", of(|measures| &measures.audience, &AUDIENCE)),
        ]
    }
}
