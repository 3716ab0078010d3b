//! Events by Redis, through gateways, to clients that check them: one process is producer and receivers both.
//!
//! | module | noun |
//! |---|---|
//! | `room_event` | the event, numbered within its room |
//! | `options` | the arguments |
//! | `phase` | what the orchestration asks for: a flood, or a pace |
//! | `producer` | writes to Redis, on a thread of its own |
//! | `member` | one client: in which rooms it is, and what must come next in each |
//! | `receivers` | all clients on one epoll instance, and the phases |

pub mod member;
pub mod options;
pub mod phase;
pub mod producer;
pub mod receivers;
pub mod room_event;
