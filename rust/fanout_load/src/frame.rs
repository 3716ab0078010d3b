//! RFC 6455 §5 frames: those of a server are read, those of a client and of the bare server are written.
//!
//! Not a full implementation: no server of the bench fragments or compresses, and one that did would be reported.

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping frame.
pub const PING: u8 = 0x9;
/// Opcode of a pong frame.
pub const PONG: u8 = 0xA;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// In the place of a length: two bytes of length follow (§5.2).
const LENGTH_16: u8 = 0x7E;

/// A mask must be unpredictable only to guard proxies from a browser's script (§10.3): on loopback there are none.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// One whole frame of a server, as it stands in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// [`TEXT`], [`CLOSE`], [`PING`], [`PONG`] or what else the server sent.
    pub opcode: u8,
    /// Its payload.
    pub payload: &'a [u8],
    /// Bytes that header and payload take together.
    pub size: usize,
}

/// A server's frame that no server of the bench may send: fragmented, compressed, masked or absurdly long.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFrame;

/// The frame at the front of `bytes`; `None` if it is not all there yet.
///
/// # Errors
/// [`BadFrame`]; the bytes cannot be told apart into frames from there on.
pub fn read(bytes: &[u8]) -> Result<Option<Frame<'_>>, BadFrame> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if first & 0xF0 != FIN || second & MASKED != 0 {
        return Err(BadFrame);
    }
    let (header, length) = match second {
        LENGTH_16 => match bytes.get(2..4) {
            Some(size) => (4, usize::from(u16::from_be_bytes([size[0], size[1]]))),
            None => return Ok(None),
        },
        // More than 64 KiB: no message of the bench is.
        0x7F.. => return Err(BadFrame),
        length => (2, usize::from(length)),
    };
    let size = header + length;
    Ok(bytes.get(header..size).map(|payload| Frame {
        opcode: first & 0x0F,
        payload,
        size,
    }))
}

/// A server's unmasked frame.
///
/// # Panics
/// If the payload is over 65,535 bytes; the bench's options forbid it.
#[must_use]
pub fn write_unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

/// A client's masked frame.
///
/// # Panics
/// As [`write_unmasked`].
#[must_use]
pub fn write_masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(opcode, payload.len(), MASKED);
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

fn header(opcode: u8, length: usize, masked: u8) -> Vec<u8> {
    let length = u16::try_from(length).expect("a bench's message has at most 65,535 bytes");
    let mut header = Vec::with_capacity(usize::from(length) + 8);
    header.push(FIN | opcode);
    match u8::try_from(length) {
        Ok(short) if short < LENGTH_16 => header.push(masked | short),
        _ => {
            header.push(masked | LENGTH_16);
            header.extend_from_slice(&length.to_be_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_frame_is_incomplete_and_the_whole_is_read() {
        for length in [0, 1, 125, 126, 256, 65_535] {
            let payload = vec![b'a'; length];
            let bytes = write_unmasked(TEXT, &payload);
            for cut in [0, 1, 2, 3, bytes.len() - 1] {
                assert_eq!(read(&bytes[..cut.min(bytes.len() - 1)]), Ok(None));
            }
            let frame = read(&bytes).unwrap().unwrap();
            assert_eq!(
                (frame.opcode, frame.payload, frame.size),
                (TEXT, &payload[..], bytes.len())
            );
        }
    }

    #[test]
    fn fragments_compression_masks_and_giants_are_refused() {
        for bytes in [[0x01, 0x00], [0xC1, 0x00], [0x81, 0x80], [0x81, 127]] {
            assert_eq!(read(&bytes), Err(BadFrame), "{bytes:x?}");
        }
    }

    #[test]
    fn a_masked_frame_unmasks_to_its_payload() {
        let frame = write_masked(PING, b"hello");
        assert_eq!(&frame[..2], [0x89, 0x85]);
        let payload: Vec<u8> = frame[6..]
            .iter()
            .zip(frame[2..6].iter().cycle())
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(payload, b"hello");
    }
}
