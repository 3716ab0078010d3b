//! What a client may not do. Each is certain from the bytes so far, and ends the connection.

use std::fmt;

/// A breach of the protocol, and what was expected instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// Reserved bits of the first byte are set (the field, as 1 to 7), and no extension gives them a meaning.
    ReservedBits(u8),
    /// The opcode is 3 to 7 or 11 to 15.
    ReservedOpcode(u8),
    /// A client's frame has no mask.
    Unmasked,
    /// A close, ping or pong is not final.
    FragmentedControl,
    /// A close, ping or pong announces more than 125 bytes.
    LongControl,
    /// A length stands in more bytes than it needs.
    LengthNotMinimal(u64),
    /// A length of 64 bits has its top bit set.
    LengthTopBit,
    /// A continuation, and no message was begun.
    NothingToContinue,
    /// A new message, and the one before is not finished.
    MessageUnfinished,
    /// A close frame with one byte: half a code.
    CloseOneByte,
    /// A close code that may not stand in a frame.
    CloseCode(u16),
    /// A text message, or the reason of a close, is not UTF-8.
    BadUtf8,
    /// The frame's header announces a message over the limit.
    TooBig {
        /// Bytes of the message, this frame included.
        bytes: u64,
        /// Bytes allowed.
        limit: usize,
    },
}

impl Violation {
    /// The code to close with: 1002, 1007 or 1009 (RFC 6455 §7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::BadUtf8 => 1007,
            Self::TooBig { .. } => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits(bits) => write!(
                f,
                "reserved bits {bits:#05b} are set; expected none, as no extension was negotiated"
            ),
            Self::ReservedOpcode(opcode) => {
                write!(
                    f,
                    "opcode {opcode:#x} is reserved; expected 0, 1, 2, 8, 9 or 0xa"
                )
            }
            Self::Unmasked => write!(f, "the frame is not masked; a client must mask every frame"),
            Self::FragmentedControl => write!(
                f,
                "a control frame is fragmented; expected close, ping and pong in one frame"
            ),
            Self::LongControl => write!(
                f,
                "a control frame has over 125 bytes; expected at most {}",
                super::MAX_CONTROL_BYTES
            ),
            Self::LengthNotMinimal(bytes) => write!(
                f,
                "length {bytes} stands in more bytes than it needs; expected the shortest form"
            ),
            Self::LengthTopBit => write!(f, "a length of 64 bits has its top bit set; expected 0"),
            Self::NothingToContinue => write!(
                f,
                "a continuation, and no message was begun; expected a text or binary frame first"
            ),
            Self::MessageUnfinished => write!(
                f,
                "a new message before the last one was finished; expected a continuation"
            ),
            Self::CloseOneByte => {
                write!(
                    f,
                    "the close frame has one byte; expected none, or a code of two"
                )
            }
            Self::CloseCode(code) => write!(
                f,
                "close code {code} may not be sent; expected 1000-1003, 1007-1014 or 3000-4999"
            ),
            Self::BadUtf8 => write!(f, "the text is not UTF-8; send other data as binary"),
            Self::TooBig { bytes, limit } => {
                write!(f, "the message has {bytes} bytes; expected at most {limit}")
            }
        }
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_what_was_wrong_and_what_was_expected() {
        assert_eq!(
            Violation::ReservedBits(4).to_string(),
            "reserved bits 0b100 are set; expected none, as no extension was negotiated"
        );
        assert_eq!(
            Violation::TooBig {
                bytes: 65_537,
                limit: 65_536
            }
            .to_string(),
            "the message has 65537 bytes; expected at most 65536"
        );
    }
}
