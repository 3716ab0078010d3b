//! One client: in which rooms it is, and what must come next in each.

use crate::sequence::{Finding, Sequence};

/// Where a client sits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Of the gateway, on 127.0.0.1.
    pub port: u16,
    /// The first of its branches.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Path and query of its handshake.
    pub path: String,
}

impl Seat {
    /// Read `PORT FIRST LAST PATH`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let read = || {
            let [port, first, last, path] = words[..] else {
                return None;
            };
            let (port, first, last) = (port.parse().ok()?, first.parse().ok()?, last.parse().ok()?);
            (1 <= first && first <= last).then(|| Self {
                port,
                first,
                last,
                path: path.to_owned(),
            })
        };
        read().ok_or_else(|| format!("{line:.60?} is no member; expected PORT FIRST LAST PATH"))
    }

    /// Whether a branch is one of its own.
    #[must_use]
    pub fn has(&self, branch: u64) -> bool {
        (self.first..=self.last).contains(&branch)
    }
}

/// What a client expects of its rooms.
#[derive(Debug)]
pub struct Member {
    first: u64,
    rooms: Vec<Sequence>,
}

impl Member {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(seat: &Seat) -> Self {
        let rooms = (seat.first..=seat.last).map(|_| Sequence::starting_at(0));
        Self {
            first: seat.first,
            rooms: rooms.collect(),
        }
    }

    /// Take the number of an event of a branch; `None` if it has no business here.
    pub fn take(&mut self, branch: u64, number: u64) -> Option<Finding> {
        let index = usize::try_from(branch.checked_sub(self.first)?).ok()?;
        Some(self.rooms.get_mut(index)?.take(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_counted_apart_and_strangers_are_seen() {
        let mut member = Member::new(&Seat::parse("8001 5 6 /ws").unwrap());
        assert_eq!(member.take(5, 0), Some(Finding::InOrder));
        assert_eq!(member.take(6, 0), Some(Finding::InOrder));
        assert_eq!(member.take(5, 2), Some(Finding::Missing(1)));
        assert_eq!(member.take(5, 0), Some(Finding::LateOrTwice));
        assert_eq!((member.take(4, 0), member.take(7, 0)), (None, None));
    }

    #[test]
    fn a_line_that_is_no_member_is_refused() {
        for line in ["", "8001 1 2", "8001 2 1 /", "8001 0 1 /", "99999 1 1 /"] {
            assert!(Seat::parse(line).is_err(), "{line}");
        }
    }
}
