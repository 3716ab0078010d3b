//! How often a client may speak.

use crate::clock::{Micros, SECOND};

/// Tokens of one connection; when they were last counted, the connection knows. 4 bytes. See `rate_limit.py`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket(f32);

impl Bucket {
    /// A full one, of `rate` tokens.
    #[expect(clippy::cast_precision_loss, reason = "a rate has few digits")]
    pub fn new(rate: u32) -> Self {
        Self(rate as f32)
    }

    /// Let it fill for some time.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a few parts in ten million of a token do not matter"
    )]
    pub fn fill(&mut self, rate: u32, elapsed: Micros) {
        let more = elapsed as f64 / SECOND as f64 * f64::from(rate);
        self.0 = (f64::from(self.0) + more).min(f64::from(rate)) as f32;
    }

    /// Take a token; false when there is none. A rate of 0 is unlimited.
    pub fn take(&mut self, rate: u32) -> bool {
        if rate == 0 {
            return true;
        }
        if self.0 < 1.0 {
            return false;
        }
        self.0 -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_the_rate_passes_and_then_as_many_a_second() {
        let mut bucket = Bucket::new(20);
        assert!((0..20).all(|_| bucket.take(20)));
        assert!(!bucket.take(20));
        bucket.fill(20, SECOND / 20 - 1_000);
        assert!(!bucket.take(20));
        bucket.fill(20, 1_000);
        assert!(bucket.take(20));
        bucket.fill(20, 1_000 * SECOND);
        assert!((0..20).all(|_| bucket.take(20)));
        assert!(!bucket.take(20));
    }

    #[test]
    fn zero_is_unlimited() {
        let mut bucket = Bucket::new(0);
        assert!((0..1_000).all(|_| bucket.take(0)));
    }
}
