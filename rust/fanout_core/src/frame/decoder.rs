//! One connection's reading side: bytes in, one event per frame out.

use std::borrow::Cow;
use std::{mem, str};

use super::close;
use super::event::{Event, Kind};
use super::header::{self, Header, MAX_HEADER_BYTES, Opcode};
use super::mask::unmask;
use super::message::Message;
use super::unread::Unread;
use super::violation::Violation;

/// Reads a client's frames. Owned by the thread that reads the connection.
///
/// Between messages it is 16 bytes and owns no memory; what it collects goes out with the event, so nothing of a big
/// message stays behind. In the middle of one it owns what has arrived, at most the limit, whatever was announced.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Between two frames, and no message is unfinished: where an idle connection is.
    #[default]
    Between,
    /// Inside a frame, or between the fragments of a message.
    Within(Box<Partial>),
    /// After a close frame or a violation: whatever comes is discarded (RFC 6455 §5.5.1, §7.1.7).
    Ended,
}

/// What has to be remembered from one read to the next.
#[derive(Debug, Default)]
struct Partial {
    /// The front of a header.
    header: [u8; MAX_HEADER_BYTES],
    header_len: usize,
    /// The frame whose payload has not wholly come.
    frame: Option<Header>,
    /// The payload of a control frame so far. It may stand between two fragments, so it has a place of its own.
    control: Vec<u8>,
    /// The message so far: there from its first byte or its first fragment on.
    message: Option<Message>,
}

impl Partial {
    fn is_needed(&self) -> bool {
        self.header_len > 0 || self.frame.is_some() || self.message.is_some()
    }
}

/// Created only when something has to be remembered.
type Memory = Option<Box<Partial>>;

impl Decoder {
    /// At the start of a stream, just behind the handshake.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a close frame or a violation was read. Then whatever is fed is discarded.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Bytes of memory that it owns beside itself; 0 between messages.
    #[must_use]
    pub fn memory(&self) -> usize {
        let State::Within(partial) = &self.state else {
            return 0;
        };
        let message = partial.message.as_ref().map_or(0, Message::capacity);
        size_of::<Partial>() + partial.control.capacity() + message
    }

    /// Take one frame off the front of `unread`, which is moved on behind it; to be called until it gives None.
    ///
    /// None: `unread` is used up (and remembered as far as need be), more has to be read. Otherwise the rest of
    /// `unread` is as the client sent it; the caller may stop there, keep a copy, and feed that later.
    ///
    /// `limit` is what a message may have in bytes, over all its fragments; `usize::MAX` for no limit. It is checked when
    /// a frame announces its length. What is inside a frame that was read is unmasked in place.
    ///
    /// # Errors
    /// The first [`Violation`], as soon as it is certain: bad UTF-8 in the middle of a frame too. The stream has ended
    /// then; the caller sends [`Violation::close_code`].
    pub fn next<'a>(
        &mut self,
        unread: &mut Unread<'a>,
        limit: usize,
    ) -> Result<Option<Event<'a>>, Violation> {
        // Ended stays in place on every way out by an error.
        let mut memory = match mem::replace(&mut self.state, State::Ended) {
            State::Between => None,
            State::Within(partial) => Some(partial),
            State::Ended => {
                unread.discard();
                return Ok(None);
            }
        };
        let event = read_frame(&mut memory, unread, limit)?;
        if !matches!(event, Some(Event::Close { .. })) {
            self.state = match memory {
                Some(partial) if partial.is_needed() => State::Within(partial),
                _ => State::Between,
            };
        }
        Ok(event)
    }
}

fn read_frame<'a>(
    memory: &mut Memory,
    unread: &mut Unread<'a>,
    limit: usize,
) -> Result<Option<Event<'a>>, Violation> {
    let begun = memory.as_mut().and_then(|partial| partial.frame.take());
    let Some(mut frame) = (match begun {
        Some(frame) => Some(frame),
        None => read_header(memory, unread, limit)?,
    }) else {
        return Ok(None);
    };
    let here =
        usize::try_from(frame.len).map_or(unread.rest().len(), |len| len.min(unread.rest().len()));
    let piece = unread.take(here);
    unmask(piece, &mut frame.key);
    frame.len -= here as u64;
    if frame.opcode.is_control() {
        read_control(memory, frame, piece)
    } else {
        read_data(memory, frame, piece, limit)
    }
}

/// The next header; None when it is not all there.
fn read_header(
    memory: &mut Memory,
    unread: &mut Unread<'_>,
    limit: usize,
) -> Result<Option<Header>, Violation> {
    let (message, cut) = memory.as_ref().map_or((None, false), |partial| {
        let message = partial.message.as_ref().map(Message::len);
        (message, partial.header_len > 0)
    });
    if !cut {
        if let Some((header, len)) = header::parse(unread.rest(), message, limit)? {
            unread.take(len);
            return Ok(Some(header));
        }
    }
    if unread.rest().is_empty() {
        return Ok(None);
    }
    // It was cut, which is rare: one byte at a time is fast enough, and takes none that belongs to the payload.
    let partial = memory.get_or_insert_default();
    for at in 0..unread.rest().len() {
        partial.header[partial.header_len] = unread.rest()[at];
        partial.header_len += 1;
        let so_far = &partial.header[..partial.header_len];
        if let Some((header, _)) = header::parse(so_far, message, limit)? {
            partial.header_len = 0;
            unread.take(at + 1);
            return Ok(Some(header));
        }
    }
    unread.discard();
    Ok(None)
}

/// Take a piece of a control frame, of which `frame.len` bytes are still to come.
fn read_control<'a>(
    memory: &mut Memory,
    frame: Header,
    piece: &'a [u8],
) -> Result<Option<Event<'a>>, Violation> {
    if frame.len > 0 {
        let partial = memory.get_or_insert_default();
        partial.control.extend_from_slice(piece);
        partial.frame = Some(frame);
        return Ok(None);
    }
    let collected = memory
        .as_mut()
        .map(|partial| mem::take(&mut partial.control))
        .filter(|collected| !collected.is_empty());
    let payload = match collected {
        None => Cow::Borrowed(piece),
        Some(mut collected) => {
            collected.extend_from_slice(piece);
            Cow::Owned(collected)
        }
    };
    Ok(Some(match frame.opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => close_event(payload)?,
    }))
}

fn close_event(payload: Cow<'_, [u8]>) -> Result<Event<'_>, Violation> {
    Ok(match payload {
        Cow::Borrowed(payload) => {
            let (code, reason) = close::parse(payload)?;
            let reason = Cow::Borrowed(reason);
            Event::Close { code, reason }
        }
        Cow::Owned(payload) => {
            let (code, reason) = close::parse(&payload)?;
            let reason = Cow::Owned(reason.to_owned());
            Event::Close { code, reason }
        }
    })
}

/// Take a piece of a data frame, of which `frame.len` bytes are still to come.
fn read_data<'a>(
    memory: &mut Memory,
    frame: Header,
    piece: &'a [u8],
    limit: usize,
) -> Result<Option<Event<'a>>, Violation> {
    let kind = match frame.opcode {
        Opcode::Binary => Kind::Binary,
        _ => Kind::Text, // a continuation never asks: its message is there
    };
    let is_begun = memory
        .as_ref()
        .is_some_and(|partial| partial.message.is_some());
    if !is_begun && frame.fin && frame.len == 0 {
        // The common case: a whole message in one read. Nothing is copied, nothing allocated.
        return Ok(Some(match kind {
            Kind::Text => {
                let text = str::from_utf8(piece).map_err(|_| Violation::BadUtf8)?;
                Event::Text(Cow::Borrowed(text))
            }
            Kind::Binary => Event::Binary(Cow::Borrowed(piece)),
        }));
    }
    let partial = memory.get_or_insert_default();
    let message = partial.message.get_or_insert_with(|| Message::new(kind));
    message.push(piece, limit)?;
    if frame.len > 0 {
        partial.frame = Some(frame);
        return Ok(None);
    }
    if !frame.fin {
        return Ok(Some(Event::Fragment(message.kind())));
    }
    partial.message.take().map(Message::finish).transpose()
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
