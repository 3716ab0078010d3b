//! Threads that own sockets: each has its connections, and nobody else touches those.
//!
//! | file | noun |
//! |---|---|
//! | `command` | what a reactor is told, and the mailbox through which |
//! | `thread` | the loop: sockets, commands, time |
//! | `connection` | one connection and the steps of its life |
//! | `context` | what the steps of a life need beside the connection |
//! | `reading` | what a client says, and what is done about it |
//! | `turns` | the events that wait, tenant by tenant |
//! | `passing` | an event, or a run of events, on its way to a room's members |
//! | `outbox` | what waits for a slow client |
//! | `page` | a piece of history for a client that resumes |
//! | `frames` | frames that several connections share |
//! | `bucket` | how often a client may speak |
//! | `heartbeat` | which texts are heartbeats |
//! | `schedule` | when a connection expires and is checked |
//! | `wheel` | who has to be looked at when |
//! | `settings`, `stats` | the numbers in, the numbers out |

mod bucket;
mod command;
mod connection;
mod context;
mod frames;
mod heartbeat;
mod outbox;
mod page;
mod passing;
mod reading;
mod schedule;
mod settings;
mod stats;
mod thread;
mod turns;
mod wheel;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use mio::Poll;

pub use command::Until;
pub(crate) use command::{Address, Adoption, Closing, Command, Done, Mailbox};
pub(crate) use page::Page;
pub use page::PageEntry;
pub(crate) use schedule::Schedule;
pub use settings::{MAX_REACTORS, Settings};
pub(crate) use stats::ReactorStats;
pub use stats::SocketStats;
use thread::Reactor;

use crate::core::Core;
use crate::id::OwnerId;

/// A reactor calls nothing that goes deep, and buffers are on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// Start the thread of a reactor, counted from 0.
///
/// # Errors
/// The system's, when it has no threads left.
pub(crate) fn spawn(core: Arc<Core>, number: u16, poll: Poll) -> io::Result<JoinHandle<()>> {
    Builder::new()
        .name(format!("fanout-reactor-{number}"))
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let run = || Reactor::new(core, OwnerId::reactor(number), poll).run();
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                // Its connections would hang for ever, and an index that is half changed could pass an event to the
                // wrong audience. The panic hook has said what happened; whoever supervises the process starts it again.
                eprintln!("fanout-reactor-{number} panicked; the process cannot go on and aborts");
                process::abort();
            }
        })
}

#[cfg(test)]
mod tests;
