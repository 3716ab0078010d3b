//! Everything that the core refuses, in one enum. The texts are those of `pure.py` and `checks.py`.

use std::fmt;

use crate::id::{ConnectionId, MAX_ID, Room};

/// What was wrong, what was expected, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The connection was never attached, or has left.
    NoConnection(i64),
    /// The ticket was never given, or is finished.
    NoTicket(i64),
    /// A connection id is not 1 to [`MAX_ID`].
    ConnectionRange(i64),
    /// The connection id is in use.
    ConnectionInUse(ConnectionId),
    /// A tenant is not 1 to [`MAX_ID`].
    TenantRange(i64),
    /// A tenant or a branch is not 1 to [`MAX_ID`].
    RoomRange {
        /// As given.
        tenant: i64,
        /// As given.
        branch: i64,
    },
    /// The label has so many bytes.
    LabelTooLong(usize),
    /// No membership was given.
    NoRoom,
    /// The room is another tenant's than the connection's (the second field).
    ForeignRoom(Room, i64),
    /// Two memberships name the room.
    RoomTwice(Room),
    /// A membership has no audience.
    NoAudience(Room),
    /// An audience has an empty name.
    EmptyAudience(Room),
    /// A membership names an audience twice.
    AudienceTwice(Room),
    /// A new identity is of another tenant.
    TenantChanged {
        /// Whose identity.
        connection: ConnectionId,
        /// The tenant it is of.
        from: i64,
        /// The tenant it cannot become one of.
        to: i64,
    },
    /// A socket was given to a core that has no reactors.
    NoReactors,
    /// The system has no descriptor or no thread for a reactor.
    System(String),
    /// A close code that no peer may accept.
    BadCloseCode(i64),
    /// So many reactors cannot be.
    Reactors(i64),
    /// A page of no connections was asked for.
    ListLimit(i64),
    /// A limit is below zero.
    NegativeLimit(&'static str, i64),
    /// A period between checks is not positive.
    BadPeriod,
    /// A position is not `<id>/<hash>` in visible ASCII without quote and backslash.
    BadPosition,
    /// A room's position is neither `0-0` nor an event's.
    BadRoomPosition,
    /// A payload does not begin with an opening brace.
    NotAnObject,
    /// A message of a page is not UTF-8.
    NotUtf8,
    /// A connection takes no page: it was attached as live, or has had its last one.
    IsLive(ConnectionId),
    /// A connection is still taking the page before.
    PageUnderWay(ConnectionId),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(id) => write!(f, "no such connection: {id}"),
            Self::NoTicket(id) => write!(f, "no such ticket, or finished already: {id}"),
            Self::ConnectionRange(id) => {
                write!(
                    f,
                    "connection id {id} is out of range; expected 1 to {MAX_ID}"
                )
            }
            Self::ConnectionInUse(id) => write!(
                f,
                "connection {id} is attached already; use an id that was never used"
            ),
            Self::TenantRange(tenant) => {
                write!(f, "tenant {tenant} is out of range; expected 1 to {MAX_ID}")
            }
            Self::RoomRange { tenant, branch } => write!(
                f,
                "room {tenant}/{branch} is out of range; tenant and branch are 1 to {MAX_ID}"
            ),
            Self::LabelTooLong(bytes) => write!(
                f,
                "label has {bytes} bytes; expected at most {}",
                crate::checks::MAX_LABEL_BYTES
            ),
            Self::NoRoom => write!(f, "the connection has no room; expected at least one"),
            Self::ForeignRoom(room, tenant) => write!(
                f,
                "{room} is not of tenant {tenant}; a connection stays inside its own tenant"
            ),
            Self::RoomTwice(room) => write!(
                f,
                "{room} is named twice; expected one membership for each room"
            ),
            Self::NoAudience(room) => write!(f, "{room} has no audience; expected at least one"),
            Self::EmptyAudience(room) => write!(
                f,
                "{room} has an audience with an empty name; expected a name like branch:5:kitchen"
            ),
            Self::AudienceTwice(room) => {
                write!(f, "{room} names an audience twice; expected each once")
            }
            Self::TenantChanged {
                connection,
                from,
                to,
            } => write!(
                f,
                "connection {connection} is of tenant {from} and cannot become one of tenant {to}; \
                 close it and attach another"
            ),
            Self::NoReactors => write!(
                f,
                "the core owns no sockets; make it with one reactor or more"
            ),
            Self::System(error) => write!(f, "the reactors cannot be started: {error}"),
            Self::BadCloseCode(code) => write!(
                f,
                "close code {code} may not be sent; expected 1000-1003, 1007-1014 or 3000-4999"
            ),
            Self::Reactors(count) => write!(
                f,
                "{count} reactors cannot be; expected 0 to {}",
                crate::reactor::MAX_REACTORS
            ),
            Self::ListLimit(limit) => write!(f, "limit is {limit}; expected 1 or more"),
            Self::NegativeLimit(name, value) => {
                write!(f, "{name} is {value}; expected 0 (unlimited) or more")
            }
            Self::BadPeriod => write!(
                f,
                "check_every is not a positive number of seconds; expected one, or None for never"
            ),
            Self::BadPosition => write!(
                f,
                "position is malformed; expected <id>/<hash> in visible ASCII without quote and backslash"
            ),
            Self::BadRoomPosition => write!(
                f,
                "position is malformed; expected 0-0 or <id>/<hash> in visible ASCII without quote and backslash"
            ),
            Self::NotAnObject => write!(
                f,
                "payload is not a JSON object; expected it to begin with an opening brace"
            ),
            Self::NotUtf8 => write!(f, "an entry of the page is not UTF-8; expected text"),
            Self::IsLive(id) => write!(
                f,
                "connection {id} is live; only one that was attached as resuming takes pages, up to its last"
            ),
            Self::PageUnderWay(id) => write!(
                f,
                "connection {id} is taking a page already; wait for its notice before the next"
            ),
        }
    }
}

impl std::error::Error for Error {}
