//! Frames that several connections send, and runs of them in one buffer.

use std::ops::Range;
use std::sync::Arc;

/// A piece of a shared buffer: one frame or several in a row. A clone is a reference.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    buffer: Arc<[u8]>,
    start: u32,
    end: u32,
}

impl Frames {
    /// A whole buffer; under 4 GiB, as every message is.
    pub fn whole(buffer: Arc<[u8]>) -> Self {
        let end = narrow(buffer.len());
        Self {
            buffer,
            start: 0,
            end,
        }
    }

    /// Part of a buffer.
    pub fn part(buffer: &Arc<[u8]>, range: Range<u32>) -> Self {
        debug_assert!(range.start <= range.end && range.end as usize <= buffer.len());
        Self {
            buffer: Arc::clone(buffer),
            start: range.start,
            end: range.end,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start as usize..self.end as usize]
    }

    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Become one piece with what stands directly behind it in the same buffer; false when `next` does not.
    pub fn join(&mut self, next: &Self) -> bool {
        let adjoins = Arc::ptr_eq(&self.buffer, &next.buffer) && self.end == next.start;
        if adjoins {
            self.end = next.end;
        }
        adjoins
    }
}

/// An offset in a buffer, in four bytes.
pub(super) fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).expect("a frame is under 4 GiB")
}
