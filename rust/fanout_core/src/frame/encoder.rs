//! Frames that a server sends: final, never masked, the length in its shortest form (RFC 6455 §5.2).
//!
//! A frame is built once, straight into the allocation that all its recipients share.

use std::iter;
use std::sync::Arc;

use super::close::{MAX_REASON_BYTES, may_be_received};
use super::header::MAX_CONTROL_BYTES;

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xa;

/// The answer to a close frame without a code.
pub const EMPTY_CLOSE_FRAME: [u8; 2] = [FINAL | CLOSE, 0];

/// Bytes of a server's frame around a payload of so many.
#[must_use]
pub fn frame_len(payload_len: usize) -> usize {
    header_len(payload_len) + payload_len
}

/// A text message. The payload is UTF-8: that is the caller's duty, it is not checked again.
#[must_use]
pub fn text_frame(payload: &[u8]) -> Arc<[u8]> {
    text_frame_with(payload.len(), |buffer| buffer.copy_from_slice(payload))
}

/// A text message of `len` bytes, which `fill` writes in place: it is given exactly `len` bytes, all zero.
#[must_use]
pub fn text_frame_with(len: usize, fill: impl FnOnce(&mut [u8])) -> Arc<[u8]> {
    build(TEXT, len, fill)
}

/// A binary message.
#[must_use]
pub fn binary_frame(payload: &[u8]) -> Arc<[u8]> {
    build(BINARY, payload.len(), |buffer| {
        buffer.copy_from_slice(payload);
    })
}

/// The answer to a ping, with the ping's own payload.
///
/// # Panics
/// When the payload is over [`MAX_CONTROL_BYTES`]; a ping's never is.
#[must_use]
pub fn pong_frame(payload: &[u8]) -> Arc<[u8]> {
    assert!(
        payload.len() <= MAX_CONTROL_BYTES,
        "a pong has at most {MAX_CONTROL_BYTES} bytes, not {}",
        payload.len()
    );
    build(PONG, payload.len(), |buffer| {
        buffer.copy_from_slice(payload);
    })
}

/// A close with a code and a reason; a reason over [`MAX_REASON_BYTES`] is cut before the character that is too much.
///
/// # Panics
/// In debug builds, when the code is one that no peer may accept ([`may_be_received`]).
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Arc<[u8]> {
    debug_assert!(may_be_received(code), "{code} is no code to send");
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    build(CLOSE, 2 + end, |buffer| {
        buffer[..2].copy_from_slice(&code.to_be_bytes());
        buffer[2..].copy_from_slice(&reason.as_bytes()[..end]);
    })
}

fn header_len(payload_len: usize) -> usize {
    match payload_len {
        ..126 => 2,
        126..0x1_0000 => 4,
        0x1_0000.. => 10,
    }
}

fn build(opcode: u8, len: usize, fill: impl FnOnce(&mut [u8])) -> Arc<[u8]> {
    build_buffer(frame_len(len), |frame| write(frame, opcode, len, fill))
}

/// A buffer of `len` bytes that several may share, which `fill` writes in place: it is given exactly `len` bytes, all zero.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "a new buffer is nobody else's")]
pub fn build_buffer(len: usize, fill: impl FnOnce(&mut [u8])) -> Arc<[u8]> {
    // A length known beforehand makes this one allocation, zeroed: a `Vec` turned into an `Arc` would be copied whole.
    let mut buffer: Arc<[u8]> = iter::repeat_n(0, len).collect();
    fill(Arc::get_mut(&mut buffer).expect("nobody else has seen it"));
    buffer
}

/// A text message of `len` bytes, into a buffer of exactly [`frame_len`]`(len)`.
///
/// # Panics
/// When the buffer has no room for the header.
pub fn write_text_frame(frame: &mut [u8], len: usize, fill: impl FnOnce(&mut [u8])) {
    write(frame, TEXT, len, fill);
}

fn write(frame: &mut [u8], opcode: u8, len: usize, fill: impl FnOnce(&mut [u8])) {
    let (header, payload) = frame.split_at_mut(header_len(len));
    header[0] = FINAL | opcode;
    let len = (len as u64).to_be_bytes();
    match header.len() {
        2 => header[1] = len[7],
        4 => {
            header[1] = 126;
            header[2..].copy_from_slice(&len[6..]);
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&len);
        }
    }
    fill(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        // RFC 6455 §5.7.
        assert_eq!(text_frame(b"Hello")[..], *b"\x81\x05Hello");
        assert_eq!(pong_frame(b"Hello")[..], *b"\x8a\x05Hello");
        let binary = binary_frame(&[7; 256]);
        assert_eq!(binary[..4], *b"\x82\x7e\x01\x00");
        assert_eq!(binary[4..], [7; 256]);
        let binary = binary_frame(&vec![7; 65_536]);
        assert_eq!(binary[..10], *b"\x82\x7f\0\0\0\0\0\x01\0\0");
        assert_eq!(binary[10..], vec![7; 65_536]);
    }

    #[test]
    fn the_length_takes_its_shortest_form() {
        for (len, header) in [
            (0, &b"\x81\x00"[..]),
            (1, b"\x81\x01"),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\0\0\0\0\0\x01\0\0"),
        ] {
            let frame = text_frame(&vec![b'a'; len]);
            assert_eq!(frame.len(), frame_len(len), "{len}");
            assert_eq!(frame[..header.len()], *header, "{len}");
            assert!(frame[header.len()..].iter().all(|byte| *byte == b'a'));
        }
    }

    #[test]
    fn a_payload_is_written_in_place() {
        let frame = text_frame_with(3, |buffer| {
            assert_eq!(buffer, [0; 3]);
            buffer.copy_from_slice(b"abc");
        });
        assert_eq!(frame[..], *b"\x81\x03abc");
    }

    #[test]
    fn a_close_has_code_and_reason() {
        assert_eq!(close_frame(1001, "")[..], *b"\x88\x02\x03\xe9");
        assert_eq!(close_frame(4001, "bye")[..], *b"\x88\x05\x0f\xa1bye");
        assert_eq!(EMPTY_CLOSE_FRAME, *b"\x88\x00");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = close_frame(1000, &"a".repeat(124));
        assert_eq!((frame.len(), frame[1]), (127, 125));
        let frame = close_frame(1000, &format!("{}é", "a".repeat(122)));
        assert_eq!((frame.len(), frame[1]), (126, 124));
        assert_eq!(frame[4..], *"a".repeat(122).as_bytes());
    }

    #[test]
    #[should_panic(expected = "a pong has at most 125 bytes, not 126")]
    fn a_long_pong_is_a_mistake_of_the_caller() {
        let _ = pong_frame(&[0; 126]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "1005 is no code to send")]
    fn a_code_that_no_peer_may_accept_is_a_mistake_of_the_caller() {
        let _ = close_frame(1005, "");
    }
}
