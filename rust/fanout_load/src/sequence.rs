//! Whether one connection got every event exactly once and in order.

/// The number that a connection must get next.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    next: u64,
}

/// What one event says about the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It was its turn.
    InOrder,
    /// So many before it have not come; should they come later, that is [`Finding::LateOrTwice`].
    Missing(u64),
    /// It had come already, or its successor had.
    LateOrTwice,
}

impl Sequence {
    /// A connection whose first event will be `first`.
    #[must_use]
    pub fn starting_at(first: u64) -> Self {
        Self { next: first }
    }

    /// The number that must come next.
    #[must_use]
    pub fn next(self) -> u64 {
        self.next
    }

    /// Take an event's number.
    pub fn take(&mut self, number: u64) -> Finding {
        if number < self.next {
            return Finding::LateOrTwice;
        }
        let missing = number - self.next;
        self.next = number + 1;
        if missing == 0 {
            Finding::InOrder
        } else {
            Finding::Missing(missing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Finding::{InOrder, LateOrTwice, Missing};
    use super::*;

    fn findings(numbers: &[u64]) -> Vec<Finding> {
        let mut sequence = Sequence::starting_at(1);
        numbers
            .iter()
            .map(|&number| sequence.take(number))
            .collect()
    }

    #[test]
    fn loss_repetition_and_disorder_are_seen() {
        assert_eq!(findings(&[1, 2, 3]), [InOrder, InOrder, InOrder]);
        assert_eq!(findings(&[1, 4, 5]), [InOrder, Missing(2), InOrder]);
        assert_eq!(findings(&[1, 1, 2]), [InOrder, LateOrTwice, InOrder]);
        assert_eq!(findings(&[2, 1, 3]), [Missing(1), LateOrTwice, InOrder]);
    }
}
