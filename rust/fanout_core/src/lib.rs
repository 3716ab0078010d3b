//! The fan-out core: who is in which audience, whom an event reaches, and how much may be under way.
//!
//! It holds no socket and no payload, and knows nothing of Python but in `python`. The promises it keeps are
//! written down in `python/gateway/fanout/base.py`; `pure.py` beside it is the specification, in fewer lines.
//!
//! | module | noun |
//! |---|---|
//! | [`id`] | rooms, connections, tickets, owners: integers that cannot be mixed up |
//! | [`audience`] | names of audiences, each kept once |
//! | [`checks`] | what is refused before anything is changed |
//! | [`envelope`] | id and position, spliced in front of an event; no I/O |
//! | [`identity`] | who is behind a connection, and the keys by which it is found |
//! | [`index`] | room → audience → connections, of one owner |
//! | [`directory`] | room → members per owner; 64 locks; the order of joins and submits |
//! | [`permits`] | admission, of the node and of a room |
//! | [`ticket`] | the events that are under way |
//! | [`stats`] | counters that any thread reads |
//! | [`core`] | all of it together: attach, move, leave, submit, recipients, finish |
//! | [`lock`] | one way to lock; **the order of the locks** |
//! | [`error`] | one enum |
//! | `python` | the only file that knows pyo3 |

pub mod audience;
pub mod checks;
pub mod core;
pub mod directory;
pub mod envelope;
pub mod error;
pub mod id;
pub mod identity;
pub mod index;
pub mod lock;
pub mod permits;
#[cfg(feature = "python")]
mod python;
pub mod stats;
pub mod ticket;
