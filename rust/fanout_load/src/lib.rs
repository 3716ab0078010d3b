//! What the load client and the bare server share.
//!
//! | module | noun |
//! |---|---|
//! | `event` | the numbered, time-stamped message that every server sends |
//! | `frame` | RFC 6455 frames, as far as a bench needs them |
//! | `handshake` | the opening handshake with one fixed nonce |
//! | `clock` | the clock that all processes of one machine share |
//! | `sequence` | whether a connection got every event once and in order |
//! | `tally` | what all connections together counted and timed |
//! | `connection` | one client connection: bytes in, findings out |
//! | `swarm` | all client connections on one epoll instance |
//! | `options` | the load client's arguments |
//! | `command` | what the orchestration says on standard input |
//! | `relay` | the same with events that come by Redis: producer and receivers |
//!
//! No `unsafe`; each binary is one thread; `relay-load` has a second one, which produces.
#![forbid(unsafe_code)]

pub mod clock;
pub mod command;
pub mod connection;
pub mod event;
pub mod frame;
pub mod handshake;
pub mod options;
pub mod relay;
pub mod sequence;
pub mod swarm;
pub mod tally;
