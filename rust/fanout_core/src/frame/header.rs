//! What stands in front of a client's payload (RFC 6455 §5.2): 6, 8 or 14 bytes.

use super::violation::Violation;

/// What a close, ping or pong may carry, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_BYTES: usize = 125;

/// Bytes of the longest header: opcode, length in 1 + 8, key in 4.
pub const MAX_HEADER_BYTES: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub opcode: Opcode,
    /// Last (or only) frame of its message.
    pub fin: bool,
    /// Bytes of payload; within the limit, except for a control frame, which has its own.
    pub len: u64,
    pub key: [u8; 4],
}

/// Read the header at the front of `bytes`; with it, how many bytes it has. None: more bytes are needed.
///
/// `message` is how much of an unfinished message there is, in bytes; None between messages. Whatever is wrong is told
/// as soon as its own bytes are there, in their order, so the answer does not depend on how the stream was cut.
///
/// # Errors
/// All but those about payloads.
pub(super) fn parse(
    bytes: &[u8],
    message: Option<usize>,
    limit: usize,
) -> Result<Option<(Header, usize)>, Violation> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let fin = first & 0x80 != 0;
    let opcode = check_first(first, fin, message.is_some())?;
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    let Some((len, at)) = parse_len(bytes, second & 0x7f, opcode)? else {
        return Ok(None);
    };
    if !opcode.is_control() {
        // Before a byte of it is kept: the header alone decides.
        let whole = len.saturating_add(message.unwrap_or(0) as u64);
        if whole > limit as u64 {
            return Err(Violation::TooBig {
                bytes: whole,
                limit,
            });
        }
    }
    let Some(&key) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let header = Header {
        opcode,
        fin,
        len,
        key,
    };
    Ok(Some((header, at + key.len())))
}

fn check_first(first: u8, fin: bool, in_message: bool) -> Result<Opcode, Violation> {
    let reserved = first >> 4 & 0b111;
    if reserved != 0 {
        return Err(Violation::ReservedBits(reserved));
    }
    let opcode = match first & 0xf {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        reserved => return Err(Violation::ReservedOpcode(reserved)),
    };
    match opcode {
        Opcode::Continuation if !in_message => Err(Violation::NothingToContinue),
        Opcode::Text | Opcode::Binary if in_message => Err(Violation::MessageUnfinished),
        Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => Err(Violation::FragmentedControl),
        _ => Ok(opcode),
    }
}

/// The length, and where it ends; None: more bytes are needed.
fn parse_len(bytes: &[u8], short: u8, opcode: Opcode) -> Result<Option<(u64, usize)>, Violation> {
    if short < 126 {
        return Ok(Some((u64::from(short), 2)));
    }
    if opcode.is_control() {
        return Err(Violation::LongControl);
    }
    let (len, shortest, end) = if short == 126 {
        let Some(field) = bytes[2..].first_chunk() else {
            return Ok(None);
        };
        (u64::from(u16::from_be_bytes(*field)), 126, 4)
    } else {
        let Some(field) = bytes[2..].first_chunk() else {
            return Ok(None);
        };
        (u64::from_be_bytes(*field), 0x1_0000, 10)
    };
    if len >> 63 != 0 {
        return Err(Violation::LengthTopBit);
    }
    if len < shortest {
        return Err(Violation::LengthNotMinimal(len));
    }
    Ok(Some((len, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 65_536;

    fn refused(bytes: &[u8], message: Option<usize>) -> Violation {
        parse(bytes, message, LIMIT).unwrap_err()
    }

    #[test]
    fn each_length_has_its_shortest_form() {
        for (bytes, len) in [
            (&b"\x81\x80\x01\x02\x03\x04"[..], 0),
            (b"\x81\xfd\x01\x02\x03\x04", 125),
            (b"\x81\xfe\x00\x7e\x01\x02\x03\x04", 126),
            (b"\x81\xfe\xff\xff\x01\x02\x03\x04", 65_535),
            (
                b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04",
                65_536,
            ),
        ] {
            let header = Header {
                opcode: Opcode::Text,
                fin: true,
                len,
                key: [1, 2, 3, 4],
            };
            assert_eq!(parse(bytes, None, LIMIT), Ok(Some((header, bytes.len()))));
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut], None, LIMIT), Ok(None), "{len}, {cut}");
            }
        }
    }

    #[test]
    fn each_mistake_is_told_by_the_byte_that_makes_it_certain() {
        for (bytes, message, violation) in [
            (&b"\xc1"[..], None, Violation::ReservedBits(4)),
            (b"\xa1", None, Violation::ReservedBits(2)),
            (b"\x91", None, Violation::ReservedBits(1)),
            (b"\xff", None, Violation::ReservedBits(7)),
            (b"\x83", None, Violation::ReservedOpcode(3)),
            (b"\x07", None, Violation::ReservedOpcode(7)),
            (b"\x8b", None, Violation::ReservedOpcode(11)),
            (b"\x8f", None, Violation::ReservedOpcode(15)),
            (b"\x80", None, Violation::NothingToContinue),
            (b"\x00", None, Violation::NothingToContinue),
            (b"\x81", Some(0), Violation::MessageUnfinished),
            (b"\x02", Some(9), Violation::MessageUnfinished),
            (b"\x08", None, Violation::FragmentedControl),
            (b"\x09", Some(1), Violation::FragmentedControl),
            (b"\x0a", None, Violation::FragmentedControl),
            (b"\x81\x05", None, Violation::Unmasked),
            (b"\x89\x7e", None, Violation::Unmasked),
            (b"\x88\xfe", None, Violation::LongControl),
            (b"\x89\xff", None, Violation::LongControl),
            (b"\x81\xfe\x00\x7d", None, Violation::LengthNotMinimal(125)),
            (
                b"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff",
                None,
                Violation::LengthNotMinimal(65_535),
            ),
            (
                b"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00",
                None,
                Violation::LengthTopBit,
            ),
            (
                b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
                None,
                Violation::TooBig {
                    bytes: u64::MAX >> 1,
                    limit: LIMIT,
                },
            ),
            (
                b"\x80\x81",
                Some(65_536),
                Violation::TooBig {
                    bytes: 65_537,
                    limit: LIMIT,
                },
            ),
        ] {
            assert_eq!(refused(bytes, message), violation, "{bytes:x?}");
            let before = &bytes[..bytes.len() - 1];
            assert_eq!(parse(before, message, LIMIT), Ok(None), "{bytes:x?}");
        }
    }

    #[test]
    fn the_limit_is_of_messages_not_of_control_frames() {
        assert!(matches!(
            parse(b"\x89\x81\0\0\0\0", Some(0), 0),
            Ok(Some((Header { len: 1, .. }, 6)))
        ));
        assert!(parse(b"\x81\x80\0\0\0\0", None, 0).is_ok());
        assert!(parse(b"\x81\x81\0\0\0\0", None, 0).is_err());
    }
}
