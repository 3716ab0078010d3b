//! What was read from a socket and not yet decoded.

use std::mem;

/// Bytes as the client sent them; the decoder takes frames off their front.
///
/// An event borrows from the bytes, not from this, so the next frame may be taken while an event is still in use.
#[derive(Debug)]
pub struct Unread<'a> {
    bytes: &'a mut [u8],
}

impl<'a> Unread<'a> {
    /// One read. What is taken off is unmasked in place; the rest is left as it is.
    #[must_use]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// What is left, still as it was sent: a copy may be fed later in its place.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.bytes
    }

    /// Split off the front. Panics when there are fewer bytes.
    pub(super) fn take(&mut self, len: usize) -> &'a mut [u8] {
        let (front, rest) = mem::take(&mut self.bytes).split_at_mut(len);
        self.bytes = rest;
        front
    }

    /// Drop what is left.
    pub(super) fn discard(&mut self) {
        self.bytes = &mut [];
    }
}
