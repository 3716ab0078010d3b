//! The message that every server of the bench sends: an event such as a back end's, with a number and a time stamp.
//!
//! Its layout is fixed, so that a client can check all of it for a few nanoseconds; `benches/load/event.py` writes the
//! same bytes.

const BEFORE_SEQUENCE: &[u8] = br#"{"type":"ROUND_READY","tenant_id":1,"branch_id":5,"seq":""#;
const BEFORE_TIME: &[u8] = br#"","sent":""#;
const BEFORE_PAD: &[u8] = br#"","pad":""#;
const END: &[u8] = br#""}"#;

/// 2^64 has twenty decimal digits.
const DIGITS: usize = 20;
const SEQUENCE_AT: usize = BEFORE_SEQUENCE.len();
const TIME_AT: usize = SEQUENCE_AT + DIGITS + BEFORE_TIME.len();
const PAD_AT: usize = TIME_AT + DIGITS + BEFORE_PAD.len();

/// The shortest event, without padding, in bytes.
pub const MIN_BYTES: usize = PAD_AT + END.len();

/// Number and time stamp of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts a server's events from 1.
    pub sequence: u64,
    /// `CLOCK_MONOTONIC` nanoseconds at which it was made.
    pub sent_ns: u64,
}

/// Writes and reads events of one size.
#[derive(Clone, Debug)]
pub struct EventFormat {
    template: Vec<u8>,
}

impl EventFormat {
    /// Events of exactly `bytes` bytes; `None` if that is less than [`MIN_BYTES`].
    #[must_use]
    pub fn new(bytes: usize) -> Option<Self> {
        let padding = bytes.checked_sub(MIN_BYTES)?;
        let mut template = Vec::with_capacity(bytes);
        template.extend_from_slice(BEFORE_SEQUENCE);
        template.resize(template.len() + DIGITS, b'0');
        template.extend_from_slice(BEFORE_TIME);
        template.resize(template.len() + DIGITS, b'0');
        template.extend_from_slice(BEFORE_PAD);
        template.resize(template.len() + padding, b'x');
        template.extend_from_slice(END);
        Some(Self { template })
    }

    /// The JSON text of an event.
    #[must_use]
    pub fn write(&self, event: Event) -> Vec<u8> {
        let mut text = self.template.clone();
        write_digits(&mut text[SEQUENCE_AT..SEQUENCE_AT + DIGITS], event.sequence);
        write_digits(&mut text[TIME_AT..TIME_AT + DIGITS], event.sent_ns);
        text
    }

    /// What an event says; `None` if any byte of the text is not as it was written.
    #[must_use]
    pub fn read(&self, text: &[u8]) -> Option<Event> {
        let same = |from: usize, to: usize| text[from..to] == self.template[from..to];
        if text.len() != self.template.len()
            || !same(0, SEQUENCE_AT)
            || !same(SEQUENCE_AT + DIGITS, TIME_AT)
            || !same(TIME_AT + DIGITS, text.len())
        {
            return None;
        }
        Some(Event {
            sequence: read_digits(&text[SEQUENCE_AT..SEQUENCE_AT + DIGITS])?,
            sent_ns: read_digits(&text[TIME_AT..TIME_AT + DIGITS])?,
        })
    }
}

fn write_digits(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for &digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(value))?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Event = Event {
        sequence: 42,
        sent_ns: 1_234_567_890_123,
    };

    #[test]
    fn what_is_written_is_read_and_has_the_size_asked_for() {
        let format = EventFormat::new(256).unwrap();
        let text = format.write(EVENT);
        assert_eq!(text.len(), 256);
        assert_eq!(format.read(&text), Some(EVENT));
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["seq"], "00000000000000000042");
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let format = EventFormat::new(200).unwrap();
        let text = format.write(EVENT);
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 0x80;
            assert_eq!(format.read(&changed), None, "byte {at}");
        }
        assert_eq!(format.read(&text[1..]), None);
    }

    #[test]
    fn the_shortest_event_has_no_padding() {
        assert!(EventFormat::new(MIN_BYTES - 1).is_none());
        let format = EventFormat::new(MIN_BYTES).unwrap();
        assert_eq!(format.read(&format.write(EVENT)), Some(EVENT));
    }

    #[test]
    fn a_number_over_64_bits_is_no_event() {
        assert_eq!(read_digits(b"99999999999999999999"), None);
        assert_eq!(read_digits(b"18446744073709551615"), Some(u64::MAX));
    }
}
