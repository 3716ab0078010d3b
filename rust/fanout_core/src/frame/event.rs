//! What a frame turned out to be.

use std::borrow::Cow;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// One whole frame; exactly one event for each, so that counting events counts frames, empty fragments too.
///
/// A payload is borrowed from the bytes that were read when all of it was in them, and owned when it had to be
/// collected. Either way the decoder keeps nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A text message is whole: this was its only or its last frame.
    Text(Cow<'a, str>),
    /// A binary message is whole: this was its only or its last frame.
    Binary(Cow<'a, [u8]>),
    /// A frame of a message that goes on. A caller who takes no binary messages can refuse at the first.
    Fragment(Kind),
    /// To be answered with a pong of the same payload, at most 125 bytes.
    Ping(Cow<'a, [u8]>),
    /// The answer to a ping, or sent unasked; either may be ignored.
    Pong(Cow<'a, [u8]>),
    /// The client closes: to be answered with a close frame. The decoder reads nothing after it.
    Close {
        /// Absent when the frame was empty; else a code that may be received.
        code: Option<u16>,
        /// At most 123 bytes.
        reason: Cow<'a, str>,
    },
}

impl Event<'_> {
    /// Whether the frame counts against the message rate: every one but pong and close does.
    #[must_use]
    pub fn is_rated(&self) -> bool {
        !matches!(self, Self::Pong(_) | Self::Close { .. })
    }

    /// The same, independent of the bytes that were read.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Text(text) => Event::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Event::Binary(Cow::Owned(bytes.into_owned())),
            Self::Fragment(kind) => Event::Fragment(kind),
            Self::Ping(bytes) => Event::Ping(Cow::Owned(bytes.into_owned())),
            Self::Pong(bytes) => Event::Pong(Cow::Owned(bytes.into_owned())),
            Self::Close { code, reason } => Event::Close {
                code,
                reason: Cow::Owned(reason.into_owned()),
            },
        }
    }
}
