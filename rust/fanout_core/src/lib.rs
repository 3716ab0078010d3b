//! The fan-out core: who is in which audience, whom an event reaches, and how much may be under way.
//!
//! It knows nothing of Python but in `python`. The promises it keeps are
//! written down in `python/gateway/fanout/base.py`; `pure.py` beside it is the specification, in fewer lines.
//!
//! | module | noun |
//! |---|---|
//! | [`id`] | rooms, connections, tickets, owners: integers that cannot be mixed up |
//! | [`audience`] | names of audiences, each kept once |
//! | [`checks`] | what is refused before anything is changed |
//! | [`envelope`] | id and position, spliced in front of an event; no I/O |
//! | [`frame`] | RFC 6455: a client's bytes to events, a server's messages to bytes; no I/O |
//! | [`identity`] | who is behind a connection, and the keys by which it is found |
//! | [`index`] | room → audience → connections, of one owner |
//! | [`directory`] | room → members per owner; 64 locks; the order of joins and submits |
//! | [`permits`] | admission, of the node and of a room |
//! | [`ticket`] | the events that are under way |
//! | [`stats`] | counters that any thread reads |
//! | [`histogram`] | how often a number fell between two bounds |
//! | [`measures`] | what is counted of every event: how many it reached, how, and in what time |
//! | [`core`] | all of it together: attach, move, leave, submit, recipients, finish |
//! | `sockets` | what the core does for sockets: placing, speaking to reactors |
//! | [`reactor`] | threads that own sockets |
//! | [`notice`] | what Python is told |
//! | [`budget`] | what waits in all outboxes together |
//! | [`clock`] | where time comes from |
//! | [`close_code`] | the codes that the core sends of itself |
//! | [`lock`] | one way to lock; **the order of the locks** |
//! | [`error`] | one enum |
//! | `python` | the only file that knows pyo3 |

pub mod audience;
pub mod budget;
pub mod checks;
pub mod clock;
pub mod close_code;
pub mod core;
pub mod directory;
pub mod envelope;
pub mod error;
pub mod frame;
pub mod histogram;
pub mod id;
pub mod identity;
pub mod index;
pub mod lock;
pub mod measures;
pub mod notice;
pub mod permits;
#[cfg(feature = "python")]
mod python;
pub mod reactor;
pub mod sockets;
pub mod stats;
pub mod ticket;
