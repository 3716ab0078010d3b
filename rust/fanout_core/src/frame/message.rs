//! A message that has not wholly arrived.

use std::borrow::Cow;

use super::event::{Event, Kind};
use super::utf8::Utf8;
use super::violation::Violation;

#[derive(Debug)]
pub(super) enum Message {
    Text(Utf8),
    Binary(Vec<u8>),
}

impl Message {
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Utf8::default()),
            Kind::Binary => Self::Binary(Vec::new()),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Bytes reserved.
    pub fn capacity(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Take the next piece.
    ///
    /// # Errors
    /// [`Violation::BadUtf8`].
    pub fn push(&mut self, piece: &[u8], limit: usize) -> Result<(), Violation> {
        match self {
            Self::Text(text) => text.push(piece, limit),
            Self::Binary(bytes) => {
                bytes.reserve_exact(growth(bytes.len(), bytes.capacity(), piece.len(), limit));
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// The whole message.
    ///
    /// # Errors
    /// [`Violation::BadUtf8`] when a text ends inside a character.
    pub fn finish(self) -> Result<Event<'static>, Violation> {
        Ok(match self {
            Self::Text(text) => Event::Text(Cow::Owned(text.finish()?)),
            Self::Binary(bytes) => Event::Binary(Cow::Owned(bytes)),
        })
    }
}

/// How much to reserve so that `more` bytes fit behind `len`.
///
/// What has arrived decides, never what a header announces: else six bytes would buy a client 64 KiB. It doubles, so
/// that a message of one-byte fragments is not copied once per fragment; but not past the limit, so that a connection
/// never holds more than that.
pub(super) fn growth(len: usize, capacity: usize, more: usize, limit: usize) -> usize {
    if capacity - len >= more {
        return 0;
    }
    len.min(limit.saturating_sub(len)).max(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_doubles_up_to_the_limit() {
        for kind in [Kind::Text, Kind::Binary] {
            let mut message = Message::new(kind);
            let mut sizes = vec![];
            for len in 1..=1000 {
                message.push(b"a", 1000).unwrap();
                assert_eq!(message.len(), len);
                if sizes.last() != Some(&message.capacity()) {
                    sizes.push(message.capacity());
                }
            }
            assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]);
        }
    }
}
