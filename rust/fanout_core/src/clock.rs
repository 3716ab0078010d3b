//! Where time comes from: the machine, or a test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Microseconds that never go back, from the core's start on.
pub type Micros = u64;

/// So many microseconds make a second.
pub const SECOND: Micros = 1_000_000;

/// Seconds as microseconds; what is negative or no number is 0.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, which is what is wanted"
)]
pub fn micros(seconds: f64) -> Micros {
    (seconds * 1e6).round() as Micros
}

/// Monotonic time for intervals, wall time for what tokens say. Thread-safe.
#[derive(Debug)]
pub enum Clock {
    /// The machine's clocks; the moment at which counting began.
    System(Instant),
    /// Stands still until it is told otherwise.
    Manual {
        /// Monotonic microseconds.
        monotonic: AtomicU64,
        /// The bits of the Unix seconds.
        wall: AtomicU64,
    },
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    /// One that tests move; both in seconds.
    #[must_use]
    pub fn manual(monotonic: f64, wall: f64) -> Self {
        Self::Manual {
            monotonic: AtomicU64::new(micros(monotonic)),
            wall: AtomicU64::new(wall.to_bits()),
        }
    }

    /// Whether only a test moves it, so that no thread may sleep for it.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(self, Self::Manual { .. })
    }

    /// Move a manual clock; the machine's is not moved.
    pub fn set(&self, to_monotonic: f64, to_wall: f64) {
        if let Self::Manual { monotonic, wall } = self {
            monotonic.store(micros(to_monotonic), Ordering::Relaxed);
            wall.store(to_wall.to_bits(), Ordering::Relaxed);
        }
    }

    /// Monotonic microseconds.
    #[must_use]
    pub fn monotonic(&self) -> Micros {
        match self {
            Self::System(start) => u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            Self::Manual { monotonic, .. } => monotonic.load(Ordering::Relaxed),
        }
    }

    /// Unix seconds.
    #[must_use]
    pub fn wall(&self) -> f64 {
        match self {
            Self::System(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |since| since.as_secs_f64()),
            Self::Manual { wall, .. } => f64::from_bits(wall.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_it_is_told() {
        let clock = Clock::manual(1_000.0, 1_700_000_000.5);
        assert_eq!(clock.monotonic(), 1_000 * SECOND);
        clock.set(1_000.25, 1_700_000_001.0);
        assert_eq!(clock.monotonic(), 1_000_250_000);
        assert!((clock.wall() - 1_700_000_001.0).abs() < f64::EPSILON);
    }

    #[test]
    fn seconds_that_are_none_are_zero() {
        assert_eq!(
            [micros(-1.0), micros(f64::NAN), micros(1.5)],
            [0, 0, 1_500_000]
        );
    }
}
