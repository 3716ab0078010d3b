//! All of it together: who is in which audience, whom an event reaches, and how much may be under way.
//!
//! The promises are those of `FanoutCore` in `python/gateway/fanout/base.py`. Every method may be called from any
//! thread; what orders a room's events and joins is the lock of its shard (see [`crate::directory`]), and what that
//! order means is the caller's to decide. For the order of all locks see [`crate::lock`].
//!
//! There is one owner so far, the event loop. A reactor is one more [`OwnerId`] with an index of its own: the directory
//! counts members per owner already, and a ticket names rooms and audiences, which mean the same in every index.

use std::sync::Mutex;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::audience::{AudienceKey, AudienceTable};
use crate::checks::{Membership, RawMembership, check_label, check_memberships, check_tenant};
use crate::directory::{Admission, Directory};
use crate::error::Error;
use crate::id::{ConnectionId, EVENT_LOOP, Room};
use crate::identity::{Attached, Identities, Identity};
use crate::index::ConnectionIndex;
use crate::lock::lock;
use crate::permits::Limits;
use crate::stats::{Snapshot, Stats};
use crate::ticket::{Broadcast, Tickets};

/// One event to admit.
#[derive(Clone, Debug)]
pub struct Submission<S> {
    /// Tenant and branch, not yet looked at.
    pub room: (i64, i64),
    /// Names of audiences.
    pub audiences: Vec<S>,
    /// Payload bytes.
    pub size: i64,
}

/// Audiences that got their first member or lost their last, one entry for each room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// In the order in which they were given.
    pub occupied: Vec<String>,
    /// In the order in which they had been given.
    pub vacated: Vec<String>,
}

/// What the core says of one connection.
#[derive(Clone, Debug)]
pub struct Info {
    /// Which.
    pub connection: ConnectionId,
    /// Who is behind it.
    pub identity: Identity,
    /// Rooms and audiences, in the order in which they were given.
    pub memberships: Vec<(Room, Vec<AudienceKey>)>,
}

/// The core. Thread-safe.
#[derive(Debug)]
pub struct Core {
    identities: Mutex<Identities>,
    /// The event loop's index.
    index: Mutex<ConnectionIndex>,
    directory: Directory,
    audiences: AudienceTable,
    tickets: Tickets,
    stats: Stats,
}

impl Core {
    /// Nobody, and all permits free.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            identities: Mutex::default(),
            index: Mutex::default(),
            directory: Directory::new(limits),
            audiences: AudienceTable::default(),
            tickets: Tickets::default(),
            stats: Stats::default(),
        }
    }

    /// Enter a connection; events admitted before are not for it.
    ///
    /// # Errors
    /// An id out of range or in use, an identity or memberships that [`crate::checks`] refuses; nothing is changed.
    pub fn attach<S: AsRef<str>>(
        &self,
        connection: i64,
        memberships: &[RawMembership<S>],
        identity: Identity,
    ) -> Result<Occupancy, Error> {
        let connection = ConnectionId::new(connection)?;
        let mut identities = lock(&self.identities);
        if identities.get(connection).is_some() {
            return Err(Error::ConnectionInUse(connection));
        }
        check_tenant(identity.tenant)?;
        check_label(&identity.label)?;
        let memberships = check_memberships(memberships, identity.tenant)?;
        let owner = EVENT_LOOP;
        identities.insert(connection, Attached { identity, owner });
        self.stats.attached();
        Ok(self.replace_memberships(connection, &memberships))
    }

    /// Replace a connection's memberships in one step.
    ///
    /// # Errors
    /// [`Error::NoConnection`], or what [`crate::checks`] refuses; nothing is changed.
    pub fn move_to<S: AsRef<str>>(
        &self,
        connection: i64,
        memberships: &[RawMembership<S>],
    ) -> Result<Occupancy, Error> {
        let identities = lock(&self.identities);
        let (connection, attached) = attached(&identities, connection)?;
        let memberships = check_memberships(memberships, attached.identity.tenant)?;
        Ok(self.replace_memberships(connection, &memberships))
    }

    /// Replace who is behind a connection.
    ///
    /// # Errors
    /// [`Error::NoConnection`], another tenant, or a label too long; nothing is changed.
    pub fn set_identity(&self, connection: i64, identity: Identity) -> Result<(), Error> {
        let mut identities = lock(&self.identities);
        let (connection, old) = attached(&identities, connection)?;
        check_tenant(identity.tenant)?;
        check_label(&identity.label)?;
        if identity.tenant != old.identity.tenant {
            return Err(Error::TenantChanged {
                connection,
                from: old.identity.tenant,
                to: identity.tenant,
            });
        }
        identities.replace(connection, identity);
        Ok(())
    }

    /// Remove a connection; one that is not there changes nothing.
    pub fn leave(&self, connection: i64) -> Occupancy {
        let mut identities = lock(&self.identities);
        let Ok((connection, _)) = attached(&identities, connection) else {
            return Occupancy::default();
        };
        identities.remove(connection);
        self.stats.left();
        self.replace_memberships::<&str>(connection, &[])
    }

    /// Admit events, one answer for each, in order.
    ///
    /// # Errors
    /// A room out of range or a size below zero; then no event was admitted.
    pub fn submit_many<S: AsRef<str>>(
        &self,
        items: &[Submission<S>],
    ) -> Result<Vec<Admission>, Error> {
        let mut checked = Vec::with_capacity(items.len());
        for item in items {
            let room = Room::new(item.room.0, item.room.1)?;
            let size = u64::try_from(item.size).map_err(|_| Error::NegativeSize(item.size))?;
            checked.push((room, size));
        }
        let mut refused_rooms = FxHashSet::default();
        let mut answers = Vec::with_capacity(items.len());
        let mut refused = 0;
        for (item, (room, size)) in items.iter().zip(checked) {
            // Letting a later event of the room in would put it before the refused one.
            let answer = if refused_rooms.contains(&room) {
                Admission::Refused
            } else {
                self.directory.admit(room, size)
            };
            match answer {
                Admission::Ticket(ticket) => {
                    // After the admission: who is entitled joined before it, and made the name known before that.
                    let audiences = self.audiences.find(&item.audiences);
                    let broadcast = Broadcast {
                        room,
                        audiences,
                        size,
                    };
                    self.tickets.hold(ticket, broadcast);
                }
                Admission::Refused => {
                    refused_rooms.insert(room);
                    refused += 1;
                }
                Admission::Nobody => {}
            }
            answers.push(answer);
        }
        self.stats.batch(answers.len() as u64 - refused, refused);
        Ok(answers)
    }

    /// Whom a ticket's event reaches now, each once, in no particular order.
    ///
    /// # Errors
    /// [`Error::NoTicket`].
    pub fn recipients(&self, ticket: i64) -> Result<Vec<ConnectionId>, Error> {
        let (ticket, broadcast) = self.tickets.get(ticket)?;
        let mut found = Vec::new();
        lock(&self.index).recipients(ticket, broadcast.room, &broadcast.audiences, &mut found);
        Ok(found)
    }

    /// Whether a connection is, now, still one of the ticket's recipients.
    ///
    /// # Errors
    /// [`Error::NoTicket`].
    pub fn still_entitled(&self, ticket: i64, connection: i64) -> Result<bool, Error> {
        let (ticket, broadcast) = self.tickets.get(ticket)?;
        let Ok(connection) = ConnectionId::new(connection) else {
            return Ok(false);
        };
        let index = lock(&self.index);
        Ok(index.reaches(ticket, broadcast.room, &broadcast.audiences, connection))
    }

    /// Give a ticket's permits back.
    ///
    /// # Errors
    /// [`Error::NoTicket`], also the second time.
    pub fn finish(&self, ticket: i64) -> Result<(), Error> {
        let Broadcast { room, size, .. } = self.tickets.take(ticket)?;
        self.directory.finish(room, size);
        Ok(())
    }

    /// Who is behind a connection, and the rooms and audiences that it is in.
    ///
    /// # Errors
    /// [`Error::NoConnection`].
    pub fn info(&self, connection: i64) -> Result<Info, Error> {
        let identities = lock(&self.identities);
        let (connection, attached) = attached(&identities, connection)?;
        Ok(Info {
            connection,
            identity: attached.identity.clone(),
            memberships: lock(&self.index).memberships(connection),
        })
    }

    /// How many connections carry an identity key.
    pub fn count(&self, tenant: i64, key: &str) -> usize {
        lock(&self.identities).find(tenant, key).len()
    }

    /// The connections that carry an identity key, oldest first.
    pub fn find(&self, tenant: i64, key: &str) -> Vec<ConnectionId> {
        lock(&self.identities).find(tenant, key).to_vec()
    }

    /// Connections with an id above `cursor`, oldest first, at most `limit`; and the next cursor, 0 at the end.
    ///
    /// # Errors
    /// [`Error::ListLimit`] when `limit` is below 1.
    pub fn list(
        &self,
        tenant: Option<i64>,
        cursor: i64,
        limit: i64,
    ) -> Result<(Vec<Info>, i64), Error> {
        if limit < 1 {
            return Err(Error::ListLimit(limit));
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let identities = lock(&self.identities);
        let index = lock(&self.index);
        let mut above = identities.above(tenant, ConnectionId::cursor(cursor));
        let page: Vec<Info> = above
            .by_ref()
            .take(limit)
            .map(|(connection, identity)| Info {
                connection,
                identity: identity.clone(),
                memberships: index.memberships(connection),
            })
            .collect();
        let last = page.last().map_or(0, |info| info.connection.get());
        Ok((page, if above.next().is_some() { last } else { 0 }))
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        self.stats.snapshot(self.directory.permits().in_flight())
    }

    /// Make these a connection's memberships. The caller holds the lock of the identities, so that two changes of one
    /// connection cannot interleave.
    fn replace_memberships<S: AsRef<str>>(
        &self,
        connection: ConnectionId,
        memberships: &[Membership<'_, S>],
    ) -> Occupancy {
        let owner = EVENT_LOOP;
        let mut wanted = Vec::with_capacity(memberships.len());
        for Membership { room, audiences } in memberships {
            wanted.extend(
                audiences
                    .iter()
                    .map(|name| (*room, self.audiences.intern(name.as_ref()))),
            );
        }
        // Held to the end: who looks up recipients between the directory's change and the index' must wait.
        let mut index = lock(&self.index);
        let old_rooms = index.rooms_of(connection);
        let since: FxHashMap<_, _> = memberships
            .iter()
            .map(|Membership { room, .. }| {
                let first = if old_rooms.contains(room) {
                    self.directory.now(*room)
                } else {
                    self.directory.enter(*room, owner, &self.stats)
                };
                (*room, first)
            })
            .collect();
        let change = index.replace(connection, &wanted, |room| since[&room]);
        for room in old_rooms.iter().filter(|room| !since.contains_key(room)) {
            self.directory.exit(*room, owner, &self.stats);
        }
        let names = |keys: &[AudienceKey]| keys.iter().map(|key| key.as_str().to_owned()).collect();
        self.audiences.settle(&change.occupied, &change.vacated);
        Occupancy {
            occupied: names(&change.occupied),
            vacated: names(&change.vacated),
        }
    }
}

fn attached(identities: &Identities, connection: i64) -> Result<(ConnectionId, &Attached), Error> {
    let id = ConnectionId::new(connection).map_err(|_| Error::NoConnection(connection))?;
    let attached = identities.get(id).ok_or(Error::NoConnection(connection))?;
    Ok((id, attached))
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
