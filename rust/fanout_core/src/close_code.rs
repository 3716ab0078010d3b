//! The close codes that the core sends of itself, and the words that go with them; Python's are `close_codes.py`.

/// Silence, or the process ends.
pub const GOING_AWAY: u16 = 1001;
/// A binary message.
pub const UNSUPPORTED_DATA: u16 = 1003;
/// The peer closed without a code. Never sent.
pub const NO_STATUS: u16 = 1005;
/// The peer was lost without a close. Never sent.
pub const ABNORMAL: u16 = 1006;
/// A slow consumer.
pub const SERVER_OVERLOADED: u16 = 1013;
/// The token has expired.
pub const AUTH_FAILED: u16 = 4001;
/// Too many messages.
pub const RATE_LIMITED: u16 = 4029;

/// The reason that goes with a code in the close frame: its name in words, as in `reason_phrase` of `close_codes.py`.
#[must_use]
pub fn reason(code: u16) -> &'static str {
    match code {
        1000 => "normal",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1007 => "invalid payload",
        1008 => "policy violation",
        1009 => "message too big",
        1011 => "server error",
        1013 => "server overloaded",
        4001 => "auth failed",
        4003 => "forbidden",
        4029 => "rate limited",
        _ => "",
    }
}
