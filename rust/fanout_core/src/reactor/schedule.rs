//! When a connection expires and is checked, as its identity says.

use crate::clock::{Micros, micros};
use crate::id::ConnectionId;
use crate::identity::Identity;

/// 2^32 divided by the golden ratio, to the nearest odd number: Knuth's multiplicative hash (TAOCP 3, §6.4). It lays ids in
/// a row evenly over a range; `check_schedule.py` has the same.
const SPREADER: u32 = 2_654_435_769;

/// Never.
pub(super) const NEVER: Micros = Micros::MAX;

/// What a reactor is told of an identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Unix seconds; infinity for never.
    pub expires_at: f64,
    /// Milliseconds between two checks, in four bytes since every connection has them; 0 for never.
    pub check_every: u32,
}

impl Schedule {
    pub fn of(identity: &Identity) -> Self {
        let milliseconds = |seconds| u32::try_from((micros(seconds) / 1_000).max(1)).unwrap_or(0);
        Self {
            expires_at: identity.expires_at.unwrap_or(f64::INFINITY),
            check_every: identity.check_every.map_or(0, milliseconds),
        }
    }
}

/// When a connection that begins now is checked first: from half the period to the whole.
///
/// Thousands who come back together after a restart would otherwise be checked together for ever.
pub(super) fn first_check(connection: ConnectionId, now: Micros, check_every: u32) -> Micros {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the lower half is what is wanted"
    )]
    let spread = u64::from((connection.get() as u32).wrapping_mul(SPREADER));
    match u64::from(check_every) * 1_000 / 2 {
        0 => NEVER,
        // Half the period has 41 bits at most, of which the product may lose the lowest.
        half => now + half + (half >> 9) * spread / (1 << 23),
    }
}

/// When the next check is after one now.
pub(super) fn next_check(now: Micros, check_every: u32) -> Micros {
    match u64::from(check_every) * 1_000 {
        0 => NEVER,
        every => now + every,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_checks_spread_over_the_second_half_of_the_period() {
        let second = 1_000_000;
        let at = |id| first_check(ConnectionId::new(id).unwrap(), 7 * second, 60_000);
        let mut quarters = [0; 4];
        for id in 1..=400 {
            let after = at(id) - 7 * second;
            assert!((30 * second..60 * second).contains(&after), "{after}");
            quarters[usize::try_from((after - 30 * second) * 4 / (30 * second)).unwrap()] += 1;
        }
        assert!(
            quarters.iter().all(|count| (95..=105).contains(count)),
            "{quarters:?}"
        );
        assert_eq!(at(9), at(9), "the same id, the same time");
        let longest = first_check(ConnectionId::new(9).unwrap(), 0, u32::MAX);
        assert!(longest > u64::from(u32::MAX) * 500 && longest < u64::from(u32::MAX) * 1_000);
    }

    #[test]
    fn nobody_is_checked_who_has_no_period() {
        let identity = Identity::default();
        assert_eq!(Schedule::of(&identity).check_every, 0);
        let id = ConnectionId::new(1).unwrap();
        assert_eq!((first_check(id, 5, 0), next_check(5, 0)), (NEVER, NEVER));
        let often = Identity {
            check_every: Some(1e-9),
            ..Identity::default()
        };
        assert_eq!(Schedule::of(&often).check_every, 1);
        let seldom = Identity {
            check_every: Some(f64::INFINITY),
            ..Identity::default()
        };
        assert_eq!(next_check(5, Schedule::of(&seldom).check_every), NEVER);
    }
}
