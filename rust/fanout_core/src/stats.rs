//! Counters that any thread reads without waiting for anybody.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since start, and two gauges.
///
/// Relaxed: each is a number of its own, and no reader draws conclusions about memory from one.
#[derive(Debug, Default)]
pub struct Stats {
    connections: AtomicU64,
    rooms: AtomicU64,
    submitted: AtomicU64,
    refused: AtomicU64,
}

/// What the counters said at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections attached now.
    pub connections: u64,
    /// Rooms that have a member now.
    pub rooms: u64,
    /// Broadcasts under way now.
    pub broadcasts_in_flight: u64,
    /// Their payload bytes.
    pub bytes_in_flight: u64,
    /// Events accepted since start, those for an empty room among them.
    pub submitted: u64,
    /// Events refused since start.
    pub refused: u64,
}

impl Stats {
    /// A connection came.
    pub fn attached(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection left.
    pub fn left(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A room got its first member.
    pub fn room_opened(&self) {
        self.rooms.fetch_add(1, Ordering::Relaxed);
    }

    /// A room lost its last member.
    pub fn room_closed(&self) {
        self.rooms.fetch_sub(1, Ordering::Relaxed);
    }

    /// A batch was answered.
    pub fn batch(&self, submitted: u64, refused: u64) {
        self.submitted.fetch_add(submitted, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    /// What the counters say; what is in flight is the permits' to say.
    #[must_use]
    pub fn snapshot(&self, in_flight: crate::permits::InFlight) -> Snapshot {
        Snapshot {
            connections: self.connections.load(Ordering::Relaxed),
            rooms: self.rooms.load(Ordering::Relaxed),
            broadcasts_in_flight: in_flight.broadcasts,
            bytes_in_flight: in_flight.bytes,
            submitted: self.submitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}
