//! An event of one room, with its number in the room and a time stamp; a client can check every byte of it.

const START: &[u8] = b"{";
const BEFORE_BRANCH: &[u8] = br#""type":"ROUND_SUBMITTED","tenant_id":1,"branch_id":"#;
const BEFORE_NUMBER: &[u8] = br#","number":"#;
const BEFORE_TIME: &[u8] = br#","sent":"#;
const BEFORE_PAD: &[u8] = br#","pad":""#;
const END: &[u8] = br#""}"#;

/// What a gateway splices in front of a critical event: `"event_id":"…","position":"…",`.
const EVENT_ID: &[u8] = br#""event_id":""#;
const POSITION: &[u8] = br#"","position":""#;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomEvent {
    /// The room: a branch of tenant 1, from 1.
    pub branch: u64,
    /// Counts the room's events from 0.
    pub number: u64,
    /// `CLOCK_MONOTONIC` nanoseconds at which it was written to Redis.
    pub sent_ns: u64,
}

impl RoomEvent {
    /// Its JSON text, behind what `into` holds: `padding` characters more than need be.
    pub fn write(&self, padding: usize, into: &mut Vec<u8>) {
        into.extend_from_slice(START);
        into.extend_from_slice(BEFORE_BRANCH);
        into.extend_from_slice(self.branch.to_string().as_bytes());
        into.extend_from_slice(BEFORE_NUMBER);
        into.extend_from_slice(self.number.to_string().as_bytes());
        into.extend_from_slice(BEFORE_TIME);
        into.extend_from_slice(self.sent_ns.to_string().as_bytes());
        into.extend_from_slice(BEFORE_PAD);
        into.resize(into.len() + padding, b'x');
        into.extend_from_slice(END);
    }

    /// What a text says; `None` if any byte is not as it was written. `critical`: whether a gateway must have spliced
    /// an id and a position in.
    #[must_use]
    pub fn read(text: &[u8], padding: usize, critical: bool) -> Option<Self> {
        let mut rest = text.strip_prefix(START)?;
        if critical {
            rest = quoted(rest.strip_prefix(EVENT_ID)?)?;
            rest = quoted(rest.strip_prefix(POSITION)?)?.strip_prefix(br#"","#)?;
        }
        let (branch, rest) = number(rest.strip_prefix(BEFORE_BRANCH)?)?;
        let (number_, rest) = number(rest.strip_prefix(BEFORE_NUMBER)?)?;
        let (sent_ns, rest) = number(rest.strip_prefix(BEFORE_TIME)?)?;
        let pad = rest.strip_prefix(BEFORE_PAD)?.strip_suffix(END)?;
        (pad.len() == padding && pad.iter().all(|&byte| byte == b'x')).then_some(Self {
            branch,
            number: number_,
            sent_ns,
        })
    }
}

/// What follows a string's content, its closing quote first; the content must not be empty.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|&byte| byte == b'"')?;
    (end > 0).then(|| &text[end..])
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut value: u64 = 0;
    for digit in &text[..digits] {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    (digits > 0).then(|| (value, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: RoomEvent = RoomEvent {
        branch: 77,
        number: 3,
        sent_ns: 123_456,
    };

    fn written() -> Vec<u8> {
        let mut text = Vec::new();
        EVENT.write(100, &mut text);
        text
    }

    #[test]
    fn what_is_written_is_json_and_is_read() {
        let json: serde_json::Value = serde_json::from_slice(&written()).unwrap();
        assert_eq!(
            (&json["branch_id"], &json["number"]),
            (&77.into(), &3.into())
        );
        assert_eq!(RoomEvent::read(&written(), 100, false), Some(EVENT));
    }

    #[test]
    fn a_critical_event_must_have_what_a_gateway_splices_in() {
        let spliced = |members: &str| [b"{", members.as_bytes(), &written()[1..]].concat();
        let whole = spliced(r#""event_id":"1-0","position":"1-0/abcd1234","#);
        assert_eq!(RoomEvent::read(&whole, 100, true), Some(EVENT));
        assert_eq!(RoomEvent::read(&whole, 100, false), None);
        assert_eq!(RoomEvent::read(&written(), 100, true), None);
        for wrong in [
            r#""event_id":"1-0","#,
            r#""position":"1-0/abcd1234","event_id":"1-0","#,
            r#""event_id":"","position":"","#,
        ] {
            assert_eq!(RoomEvent::read(&spliced(wrong), 100, true), None, "{wrong}");
        }
    }

    #[test]
    fn any_spoilt_or_missing_byte_is_seen() {
        let text = written();
        for at in 0..text.len() {
            let mut spoilt = text.clone();
            spoilt[at] ^= 0x80;
            assert_eq!(RoomEvent::read(&spoilt, 100, false), None, "byte {at}");
        }
        assert_eq!(RoomEvent::read(&text[..text.len() - 1], 100, false), None);
        assert_eq!(RoomEvent::read(&text, 99, false), None);
    }
}
