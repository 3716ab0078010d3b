//! What reactors count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One reactor's counters since start. Written by its thread alone, read by any.
        #[derive(Debug, Default)]
        pub(crate) struct ReactorStats {
            $($(#[$doc])* pub $name: AtomicU64,)*
            /// Sockets that it holds now, lingering ones among them.
            pub sockets: AtomicU64,
            /// The longest time from a look at the mailbox to the next since the statistics were last read, in
            /// microseconds.
            pub lag: AtomicU64,
        }

        /// What all reactors counted since start, and some gauges.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct SocketStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Sockets that reactors hold now, lingering ones among them.
            pub sockets: u64,
            /// Bytes charged to all outboxes now, the event loop's among them.
            pub outbox_bytes: u64,
            /// The longest that a reactor let its mailbox wait since the statistics were last read, in microseconds.
            pub lag_micros: u64,
        }

        impl ReactorStats {
            /// Add these to a sum.
            pub fn add_to(&self, sum: &mut SocketStats) {
                $(sum.$name += self.$name.load(Ordering::Relaxed);)*
                sum.sockets += self.sockets.load(Ordering::Relaxed);
                sum.lag_micros = sum.lag_micros.max(self.lag.swap(0, Ordering::Relaxed));
            }
        }

        impl SocketStats {
            /// Every number with its name, for Python.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![
                    $((stringify!($name), self.$name),)*
                    ("sockets", self.sockets),
                    ("outbox_bytes", self.outbox_bytes),
                    ("lag_micros", self.lag_micros),
                ]
            }
        }
    };
}

counters! {
    /// Best-effort events that were dropped for slow clients, those thrown away with a close among them.
    dropped,
    /// Connections closed because their client, or all clients together, were too slow.
    slow_closes,
    /// Frames that clients sent.
    frames_in,
    /// Heartbeats among them that reactors answered, as text or as ping frames.
    pings,
    /// Messages among them that Python was asked to answer.
    messages,
    /// Connections closed for their message rate.
    rate_limited,
    /// System calls that sent.
    sends,
    /// Bytes sent.
    bytes_out,
}

/// Count something.
pub(super) fn count(counter: &AtomicU64, more: u64) {
    // Only the reactor's thread writes, so a load and a store do, and cost a tenth of an atomic addition.
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

/// One less of something.
pub(super) fn discount(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
}
