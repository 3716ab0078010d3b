//! WebSocket framing for a server (RFC 6455 §5), no extension negotiated. No I/O, no clock, no lock.
//!
//! | file | noun |
//! |---|---|
//! | `decoder` | one connection's reading side: bytes in, one [`Event`] per frame out |
//! | `unread` | what was read and is not yet decoded |
//! | `event` | what a frame turned out to be |
//! | `violation` | what a client may not do, and the close code it gets |
//! | `header` | the 6 to 14 bytes in front of a client's payload |
//! | `mask` | the XOR of §5.3, eight bytes at a time |
//! | `message` | a message that has not wholly arrived |
//! | `utf8` | text that is checked as it comes, cut anywhere |
//! | `close` | the payload of a close frame |
//! | `encoder` | frames that the server sends, built once |
//!
//! The decoder is *pulled*: [`Decoder::next`] takes one frame off the front of what was read.
//! With a callback or a list of events the caller could not stop between two frames of one read; pulled, it stops
//! wherever it likes (one message of a connection waits for its answer, so the connection is not read further), and what
//! is left is still as the client sent it: keep it, and feed it again. Bytes that came early, before the
//! socket was handed over, are fed the same way.
//!
//! ```
//! use std::borrow::Cow;
//!
//! use fanout_core::frame::{Decoder, Event, Unread, Violation};
//!
//! # fn main() -> Result<(), Violation> {
//! let mut decoder = Decoder::new();
//! let mut read = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7: a masked "Hello"
//! let mut unread = Unread::new(&mut read);
//! while let Some(event) = decoder.next(&mut unread, 65_536)? {
//!     assert_eq!(event, Event::Text(Cow::Borrowed("Hello")));
//! }
//! assert!(unread.rest().is_empty());
//! # Ok(())
//! # }
//! ```

mod close;
mod decoder;
mod encoder;
mod event;
mod header;
mod mask;
mod message;
mod unread;
mod utf8;
mod violation;

pub use close::{MAX_REASON_BYTES, may_be_received};
pub use decoder::Decoder;
pub use encoder::{
    EMPTY_CLOSE_FRAME, binary_frame, build_buffer, close_frame, frame_len, pong_frame, text_frame,
    text_frame_with, write_text_frame,
};
pub use event::{Event, Kind};
pub use header::{MAX_CONTROL_BYTES, MAX_HEADER_BYTES};
pub use mask::unmask;
pub use unread::Unread;
pub use violation::Violation;
