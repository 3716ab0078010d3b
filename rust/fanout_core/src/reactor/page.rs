//! A page of history, for a connection that resumes.

use std::sync::Arc;

use super::frames::{Frames, narrow};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::frame::{build_buffer, frame_len, write_text_frame};

/// One message of a page.
#[derive(Clone, Debug)]
pub struct PageEntry<S, P> {
    /// A critical event's JSON, or a text of the gateway's own.
    pub payload: P,
    /// A critical event's, `<id>/<hash>`; a text without one is sent as it is.
    pub position: Option<S>,
}

/// The frames of a page, one behind the other in one buffer, so that they go out in one send.
#[derive(Debug)]
pub(crate) struct Page {
    buffer: Arc<[u8]>,
    /// Where each frame begins, and where the last one ends.
    bounds: Box<[u32]>,
    /// Whether the connection is live after it.
    pub is_last: bool,
}

impl Page {
    /// Build the frames.
    ///
    /// # Errors
    /// [`Error::NotUtf8`], [`Error::BadPosition`], [`Error::NotAnObject`].
    pub fn new<S: AsRef<str>, P: AsRef<[u8]>>(
        entries: &[PageEntry<S, P>],
        is_last: bool,
    ) -> Result<Self, Error> {
        let mut messages = Vec::with_capacity(entries.len());
        let mut bounds = vec![0];
        let mut end = 0;
        for PageEntry { payload, position } in entries {
            let payload = payload.as_ref();
            std::str::from_utf8(payload).map_err(|_| Error::NotUtf8)?;
            let message = match position {
                Some(position) => Message::Event(Envelope::new(payload, position.as_ref())?),
                None => Message::Text(payload),
            };
            end += frame_len(message.len());
            bounds.push(narrow(end));
            messages.push(message);
        }
        let buffer = build_buffer(end, |mut rest| {
            for message in &messages {
                let (frame, after) = rest.split_at_mut(frame_len(message.len()));
                write_text_frame(frame, message.len(), |buffer| message.copy_to(buffer));
                rest = after;
            }
        });
        Ok(Self {
            buffer,
            bounds: bounds.into(),
            is_last,
        })
    }

    /// The frames, in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = Frames> {
        self.bounds
            .windows(2)
            .map(|bounds| Frames::part(&self.buffer, bounds[0]..bounds[1]))
    }
}

enum Message<'a> {
    Event(Envelope<'a>),
    Text(&'a [u8]),
}

impl Message<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Event(envelope) => envelope.len(),
            Self::Text(text) => text.len(),
        }
    }

    fn copy_to(&self, buffer: &mut [u8]) {
        match self {
            Self::Event(envelope) => envelope.copy_to(buffer),
            Self::Text(text) => buffer.copy_from_slice(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::text_frame;

    fn entry<'a>(
        payload: &'a [u8],
        position: Option<&'static str>,
    ) -> PageEntry<&'static str, &'a [u8]> {
        PageEntry { payload, position }
    }

    #[test]
    fn an_entry_is_framed_as_it_would_be_alone() {
        let long = "x".repeat(70_000);
        let entries = [
            entry(b"{\"n\":1}", Some("1-0/0000000a")),
            entry(long.as_bytes(), None),
            entry(b"", None),
        ];
        let page = Page::new(&entries, true).unwrap();
        let frames: Vec<_> = page.frames().collect();
        let spliced = r#"{"event_id":"1-0","position":"1-0/0000000a","n":1}"#;
        assert_eq!(frames.len(), 3);
        for (frame, text) in frames.iter().zip([spliced, &long, ""]) {
            assert_eq!(frame.bytes(), &text_frame(text.as_bytes())[..]);
        }
        let mut together = frames[0].clone();
        assert!(together.join(&frames[1]) && together.join(&frames[2]));
    }

    #[test]
    fn an_empty_page_has_no_frames() {
        let nothing: [PageEntry<&str, &[u8]>; 0] = [];
        assert_eq!(Page::new(&nothing, false).unwrap().frames().count(), 0);
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let refusal = |payload, position| Page::new(&[entry(payload, position)], false).err();
        assert_eq!(refusal(b"\xff", None), Some(Error::NotUtf8));
        assert_eq!(refusal(b"[]", Some("1-0/a")), Some(Error::NotAnObject));
        assert_eq!(refusal(b"{}", Some("1-0")), Some(Error::BadPosition));
    }
}
