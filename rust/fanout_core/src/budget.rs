//! The node's outbox budget: how many bytes wait for all its connections together.

use std::sync::atomic::{AtomicI64, Ordering};

/// A sum that every owner's outboxes charge; 0 bytes is no limit. Thread-safe.
///
/// It refuses nothing. Whoever finds it exceeded closes the largest of its own outboxes, and goes on so until it is not;
/// each owner that grows looks, so the node comes back within its budget without one owner touching another's.
#[derive(Debug)]
pub struct Budget {
    limit: i64,
    used: AtomicI64,
}

impl Budget {
    /// Nothing waits.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            used: AtomicI64::new(0),
        }
    }

    /// Bytes more, or fewer, wait.
    pub fn charge(&self, delta: i64) {
        // Relaxed: a sum of its own, from which nobody concludes anything about other memory.
        self.used.fetch_add(delta, Ordering::Relaxed);
    }

    /// Bytes that wait.
    #[must_use]
    pub fn used(&self) -> i64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether more waits than may.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.limit > 0 && self.used() > self.limit
    }
}
