//! Text that comes in pieces, cut anywhere, a character in two included.

use std::str;

use super::message::growth;
use super::violation::Violation;

/// The text so far. It holds valid characters, and apart from them at most three bytes that begin one more.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    text: String,
    begun: [u8; 3],
    begun_len: u8,
}

impl Utf8 {
    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.text.len() + usize::from(self.begun_len)
    }

    /// Bytes reserved.
    pub fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Take the next piece of a text that may reach `limit` bytes.
    ///
    /// # Errors
    /// [`Violation::BadUtf8`], as soon as no continuation could make the text valid.
    pub fn push(&mut self, bytes: &[u8], limit: usize) -> Result<(), Violation> {
        let more = usize::from(self.begun_len) + bytes.len();
        let growth = growth(self.text.len(), self.text.capacity(), more, limit);
        self.text.reserve_exact(growth);
        let bytes = self.complete(bytes)?;
        self.append(bytes)
    }

    /// The whole text.
    ///
    /// # Errors
    /// [`Violation::BadUtf8`] when its last character is not whole.
    pub fn finish(self) -> Result<String, Violation> {
        if self.begun_len == 0 {
            Ok(self.text)
        } else {
            Err(Violation::BadUtf8)
        }
    }

    /// Give the begun character what it lacks; what is left of `bytes`.
    fn complete<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let begun = usize::from(self.begun_len);
        if begun == 0 {
            return Ok(bytes);
        }
        let width = match self.begun[0] {
            ..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
        };
        let (now, later) = bytes.split_at(bytes.len().min(width - begun));
        let mut character = [0; 4];
        let len = begun + now.len();
        character[..begun].copy_from_slice(&self.begun[..begun]);
        character[begun..len].copy_from_slice(now);
        self.begun_len = 0;
        self.append(&character[..len])?; // puts it back when it is still not whole
        Ok(later)
    }

    /// Take bytes that begin with a character of their own.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let error = match str::from_utf8(bytes) {
            Ok(text) => {
                self.text.push_str(text);
                return Ok(());
            }
            Err(error) => error,
        };
        if error.error_len().is_some() {
            return Err(Violation::BadUtf8);
        }
        // Only the end is missing. The front is checked twice, once in many reads: safe code cannot take it on trust.
        let (whole, begun) = bytes.split_at(error.valid_up_to());
        let whole = str::from_utf8(whole).map_err(|_| Violation::BadUtf8)?;
        self.text.push_str(whole);
        self.begun[..begun.len()].copy_from_slice(begun);
        self.begun_len = u8::try_from(begun.len()).map_err(|_| Violation::BadUtf8)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<String, Violation> {
        let mut text = Utf8::default();
        for piece in pieces {
            let before = text.len();
            text.push(piece, 1000)?;
            assert_eq!(text.len(), before + piece.len());
        }
        text.finish()
    }

    #[test]
    fn a_character_may_be_cut_anywhere() {
        let text = "aé€😀\u{10ffff}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}z";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let bytes = text.as_bytes();
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(collect(pieces).as_deref(), Ok(text), "{first}, {second}");
            }
        }
        assert_eq!(collect(text.as_bytes().chunks(1)).as_deref(), Ok(text));
    }

    #[test]
    fn what_cannot_become_valid_is_refused_at_once() {
        // Overlong, surrogate, above U+10FFFF, stray continuation, never a byte: the last byte decides.
        for bytes in [
            &b"\xc0"[..],
            b"\xc1",
            b"\xe0\x9f",
            b"\xf0\x8f",
            b"\xed\xa0",
            b"\xf4\x90",
            b"\xf5",
            b"\xff",
            b"\x80",
            b"\xc3a",
            b"\xe2\x82a",
            b"\xf0\x9f\x98a",
        ] {
            let mut text = Utf8::default();
            let (last, before) = bytes.split_last().unwrap();
            for byte in before {
                text.push(&[*byte], 1000).unwrap();
            }
            assert_eq!(
                text.push(&[*last], 1000),
                Err(Violation::BadUtf8),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn a_text_does_not_end_inside_a_character() {
        for bytes in [&b"\xc3"[..], b"\xe2\x82", b"a\xf0\x9f\x98"] {
            assert_eq!(collect([bytes]), Err(Violation::BadUtf8), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_are_judged_as_the_whole(
            bytes in prop_oneof![".{0,20}".prop_map(String::into_bytes), prop::collection::vec(0x70u8.., 0..8)],
            size in 1usize..6,
        ) {
            let whole = str::from_utf8(&bytes).map_err(|_| Violation::BadUtf8);
            let pieces = collect(bytes.chunks(size));
            prop_assert_eq!(pieces.as_deref().map_err(|error| *error), whole);
        }
    }
}
