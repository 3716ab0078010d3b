//! What all connections of a load client together counted and timed.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Failures that are told in words; the others are only counted.
const TOLD: usize = 5;

/// A minute: longer than any bounded run lets a message or a handshake take.
const LONGEST_NS: u64 = 60_000_000_000;

/// Counts since the start, and times since they were last taken.
#[derive(Debug)]
pub struct Tally {
    /// Connections that got their welcome.
    pub joined: usize,
    /// Connections that never did.
    pub failed: usize,
    /// Connections that ended after their welcome, though nobody here ended them.
    pub lost: usize,
    /// Events that came in their turn.
    pub events: u64,
    /// Events that had not come when their successor did.
    pub missing: u64,
    /// Events that came again, or after their successor.
    pub late_or_twice: u64,
    /// Texts that are neither an event, byte for byte, nor a control message that a gateway sends.
    pub malformed: u64,
    /// `gap` messages: losses that the server owned up to.
    pub gaps: u64,
    /// Pings sent.
    pub pings: u64,
    /// Pings that were answered.
    pub pongs: u64,
    /// From the connect to the welcome, in nanoseconds.
    pub join: Histogram<u64>,
    /// From an event's time stamp to its reading here, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From a ping to its answer, in nanoseconds.
    pub heartbeat: Histogram<u64>,
    /// The number that all receivers are awaited to get, and how many have not yet.
    pub awaited: u64,
    /// How many receivers have not got that number yet.
    pub outstanding: usize,
    told: Vec<String>,
}

/// The centre and the tail of some times, in microseconds.
#[derive(Debug, Serialize)]
pub struct Times {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// The JSON members that `taken` and `report` lines share.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    joined: usize,
    failed: usize,
    lost: usize,
    events: u64,
    missing: u64,
    late_or_twice: u64,
    malformed: u64,
    gaps: u64,
    pings: u64,
    pongs: u64,
    join_us: Times,
    latency_us: Times,
    heartbeat_us: Times,
    failures: &'a [String],
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram accepts.
    #[must_use]
    pub fn new() -> Self {
        let times =
            || Histogram::new_with_bounds(100, LONGEST_NS, 3).expect("the bounds are valid");
        Self {
            joined: 0,
            failed: 0,
            lost: 0,
            events: 0,
            missing: 0,
            late_or_twice: 0,
            malformed: 0,
            gaps: 0,
            pings: 0,
            pongs: 0,
            join: times(),
            latency: times(),
            heartbeat: times(),
            awaited: 0,
            outstanding: 0,
            told: Vec::new(),
        }
    }

    /// Keep a sentence about what went wrong, if it is one of the first.
    pub fn tell(&mut self, sentence: String) {
        if self.told.len() < TOLD {
            self.told.push(sentence);
        }
    }

    /// Whether nothing at all went wrong; says nothing of what is still to come.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed == 0
            && self.lost == 0
            && self.missing == 0
            && self.late_or_twice == 0
            && self.malformed == 0
            && self.gaps == 0
    }

    /// The numbers to print.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            joined: self.joined,
            failed: self.failed,
            lost: self.lost,
            events: self.events,
            missing: self.missing,
            late_or_twice: self.late_or_twice,
            malformed: self.malformed,
            gaps: self.gaps,
            pings: self.pings,
            pongs: self.pongs,
            join_us: Times::of(&self.join),
            latency_us: Times::of(&self.latency),
            heartbeat_us: Times::of(&self.heartbeat),
            failures: &self.told,
        }
    }

    /// Begin the times of events and heartbeats anew.
    pub fn reset_times(&mut self) {
        self.latency.reset();
        self.heartbeat.reset();
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Times {
    fn of(times: &Histogram<u64>) -> Self {
        Self {
            count: times.len(),
            p50: micros(times.value_at_quantile(0.5)),
            p90: micros(times.value_at_quantile(0.9)),
            p99: micros(times.value_at_quantile(0.99)),
            p999: micros(times.value_at_quantile(0.999)),
            // Of nothing the library says the end of its first bucket.
            max: if times.is_empty() {
                0.0
            } else {
                micros(times.max())
            },
        }
    }
}

// A minute in nanoseconds is far below 2^52.
#[allow(clippy::cast_precision_loss)]
fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_single_fault_is_not_clean() {
        assert!(Tally::new().is_clean());
        let faults: [fn(&mut Tally); 6] = [
            |tally| tally.failed = 1,
            |tally| tally.lost = 1,
            |tally| tally.missing = 1,
            |tally| tally.late_or_twice = 1,
            |tally| tally.malformed = 1,
            |tally| tally.gaps = 1,
        ];
        for fault in faults {
            let mut tally = Tally::new();
            fault(&mut tally);
            assert!(!tally.is_clean(), "{tally:?}");
        }
    }

    #[test]
    fn times_are_taken_anew_and_counts_are_not() {
        let mut tally = Tally::new();
        tally.events = 3;
        tally.latency.saturating_record(2_000);
        tally.reset_times();
        let json = serde_json::to_value(tally.summary()).unwrap();
        assert_eq!(
            (&json["events"], &json["latency_us"]["count"]),
            (&3.into(), &0.into())
        );
    }
}
