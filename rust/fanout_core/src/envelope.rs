//! What a critical event carries in front: its id and its position, spliced into the producer's own bytes.
//!
//! The payload is not parsed (it was checked at the edge), so a splice costs a copy whatever its size. No I/O.

use crate::error::Error;

/// The position of a room that never had a critical event; `ZERO` of `protocol/positions.py`.
const ZERO: &str = "0-0";

/// The pieces of a spliced event, in order, not yet copied together.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    parts: [&'a [u8]; 6],
}

impl<'a> Envelope<'a> {
    /// Find the pieces.
    ///
    /// # Errors
    /// [`Error::BadPosition`], [`Error::NotAnObject`].
    pub fn new(payload: &'a [u8], position: &'a str) -> Result<Self, Error> {
        let event_id = event_id(position).ok_or(Error::BadPosition)?;
        let Some((b'{', tail)) = skip_space(payload).split_first() else {
            return Err(Error::NotAnObject);
        };
        let end: &[u8] = if skip_space(tail).starts_with(b"}") {
            b"\""
        } else {
            b"\","
        };
        Ok(Self {
            parts: [
                b"{\"event_id\":\"",
                event_id.as_bytes(),
                b"\",\"position\":\"",
                position.as_bytes(),
                end,
                tail,
            ],
        })
    }

    /// Bytes of the whole.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Never: an envelope has at least its braces.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Copy the whole into a buffer of exactly [`Envelope::len`] bytes.
    ///
    /// # Panics
    /// When the buffer has another length.
    pub fn copy_to(&self, buffer: &mut [u8]) {
        assert_eq!(
            buffer.len(),
            self.len(),
            "the buffer has the envelope's length"
        );
        let mut rest = buffer;
        for part in self.parts {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
    }

    /// The whole.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// Refuse what is no position of a room, and could not stand in a JSON string as it is.
///
/// # Errors
/// [`Error::BadRoomPosition`].
pub fn check_position(position: &str) -> Result<(), Error> {
    if position == ZERO || event_id(position).is_some() {
        Ok(())
    } else {
        Err(Error::BadRoomPosition)
    }
}

/// The part of `<id>/<hash>` before the slash; None when either is empty or would need escaping in JSON.
fn event_id(position: &str) -> Option<&str> {
    let (id, hash) = position.split_once('/')?;
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'/'))
    };
    (plain(id) && plain(hash)).then_some(id)
}

/// Without the white space of RFC 8259 §2 in front.
fn skip_space(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn splice(payload: &str, position: &str) -> Result<String, Error> {
        let envelope = Envelope::new(payload.as_bytes(), position)?;
        let mut copied = vec![0; envelope.len()];
        envelope.copy_to(&mut copied);
        assert_eq!(copied, envelope.to_vec());
        Ok(String::from_utf8(copied).unwrap())
    }

    #[test]
    fn id_and_position_come_first_and_the_rest_is_untouched() {
        assert_eq!(
            splice(" \t\r\n{ \"type\" : \"ROUND_READY\"} ", "17-0/0123abcd").unwrap(),
            r#"{"event_id":"17-0","position":"17-0/0123abcd", "type" : "ROUND_READY"} "#
        );
    }

    #[test]
    fn an_empty_object_gets_no_comma() {
        assert_eq!(
            splice("{}", "1-0/a").unwrap(),
            r#"{"event_id":"1-0","position":"1-0/a"}"#
        );
        assert_eq!(
            splice("{ \n} ", "1-0/a").unwrap(),
            "{\"event_id\":\"1-0\",\"position\":\"1-0/a\" \n} "
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for payload in ["", " ", "[]", "1", "\"{\"", "}", "\u{a0}{}", "\u{b}{}"] {
            assert_eq!(
                splice(payload, "1-0/a"),
                Err(Error::NotAnObject),
                "{payload:?}"
            );
        }
    }

    #[test]
    fn a_malformed_position_is_refused() {
        for position in [
            "", "1-0", "/", "1-0/", "/a", "1-0/a/b", "1 0/a", "1\"0/a", "1-0/\\", "1-0/é",
            "1-0/a\n",
        ] {
            assert_eq!(
                splice("{}", position),
                Err(Error::BadPosition),
                "{position:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_the_tail(payload in "[ \t\r\n]{0,3}\\{.{0,40}", id in "[0-9]{1,9}-[0-9]", hash in "[0-9a-f]{8}") {
            let position = format!("{id}/{hash}");
            let spliced = splice(&payload, &position).unwrap();
            let tail = &payload[payload.find('{').unwrap() + 1..];
            prop_assert!(spliced.ends_with(tail));
            let head = format!(r#"{{"event_id":"{id}","position":"{position}""#);
            let comma = if tail.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('}') { "" } else { "," };
            prop_assert_eq!(spliced, format!("{head}{comma}{tail}"));
        }

        #[test]
        fn any_bytes_are_spliced_or_refused(payload: Vec<u8>, position: String) {
            let object = skip_space(&payload).starts_with(b"{");
            let result = Envelope::new(&payload, &position).map(|envelope| envelope.to_vec());
            prop_assert_eq!(result.is_ok(), object && event_id(&position).is_some());
        }
    }
}
