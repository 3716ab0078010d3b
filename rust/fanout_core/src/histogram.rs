//! How often a number fell between two bounds.

use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram with fixed bounds. Thread-safe; each owner of connections has one of its own, so that no two processors
/// fight for a cache line.
#[derive(Debug)]
pub struct Histogram {
    /// Ascending.
    bounds: &'static [u64],
    /// How many values were at most their bound, and above the bound before it; the last are those above all bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram, or several with the same bounds, said at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Ascending.
    pub bounds: &'static [u64],
    /// One more than there are bounds.
    pub counts: Vec<u64>,
    /// Of all values.
    pub sum: u64,
}

impl Histogram {
    /// Nothing counted. `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Count a value.
    pub fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }
}

impl Counted {
    /// The sum of histograms that have the same bounds.
    #[must_use]
    pub fn sum_of<'a>(
        bounds: &'static [u64],
        histograms: impl Iterator<Item = &'a Histogram>,
    ) -> Self {
        let mut total = Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0,
        };
        for histogram in histograms {
            for (count, more) in total.counts.iter_mut().zip(&histogram.counts) {
                *count += more.load(Ordering::Relaxed);
            }
            total.sum += histogram.sum.load(Ordering::Relaxed);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        static BOUNDS: [u64; 2] = [10, 100];
        let histograms = [Histogram::new(&BOUNDS), Histogram::new(&BOUNDS)];
        for value in [0, 10, 11, 100] {
            histograms[0].record(value);
        }
        histograms[1].record(101);
        let counted = Counted::sum_of(&BOUNDS, histograms.iter());
        assert_eq!((&counted.counts[..], counted.sum), (&[2, 2, 1][..], 222));
    }
}
