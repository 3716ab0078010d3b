//! The numbers that reactors hold connections to.

use crate::clock::{Micros, micros};

/// What a connection may do, and what may wait for it; 0 is unlimited, or never.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads; at most [`MAX_REACTORS`].
    pub reactors: usize,
    /// Bytes that may wait for one connection.
    pub outbox_bytes: u64,
    /// Bytes that may wait for all of them.
    pub node_outbox_bytes: u64,
    /// Messages a second, and in one burst.
    pub message_rate: u32,
    /// Bytes of a client's message.
    pub max_message_bytes: usize,
    /// Seconds of silence before 1001.
    pub heartbeat_timeout: f64,
    /// Whether every message becomes a notice, heartbeats and binary ones too: for an echo.
    pub all_messages: bool,
}

/// More threads than any machine that this is meant for has cores; owners are counted in 64 bits.
pub const MAX_REACTORS: usize = 63;

impl Settings {
    /// The limit of a client's message as the decoder takes it.
    pub(super) fn message_limit(&self) -> usize {
        if self.max_message_bytes == 0 {
            usize::MAX
        } else {
            self.max_message_bytes
        }
    }

    /// The limit of an outbox as it is compared.
    pub(super) fn outbox_limit(&self) -> usize {
        match usize::try_from(self.outbox_bytes) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(bytes) => bytes,
        }
    }

    /// Silence after which a client is given up; None for never.
    pub(super) fn silence(&self) -> Option<Micros> {
        (self.heartbeat_timeout > 0.0).then(|| micros(self.heartbeat_timeout))
    }
}

impl Default for Settings {
    /// Those of `FanoutLimits` in `base.py`, and one reactor.
    fn default() -> Self {
        Self {
            reactors: 1,
            outbox_bytes: 1024 * 1024,
            node_outbox_bytes: 256 * 1024 * 1024,
            message_rate: 20,
            max_message_bytes: 65_536,
            heartbeat_timeout: 60.0,
            all_messages: false,
        }
    }
}
