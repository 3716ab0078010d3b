//! All of it together: who is in which audience, whom an event reaches, and how much may be under way.
//!
//! The promises are those of `FanoutCore` in `python/gateway/fanout/base.py`. Every method may be called from any
//! thread; what orders a room's events and joins is the lock of its shard (see [`crate::directory`]), and what that
//! order means is the caller's to decide. For the order of all locks see [`crate::lock`].
//!
//! The event loop is the first owner of connections; each reactor is one more, with an index and a mailbox of its own.
//! What the core does for sockets alone stands in `sockets.rs`.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::audience::{AudienceKey, AudienceTable};
use crate::budget::Budget;
use crate::checks::{
    Membership, RawMembership, check_label, check_memberships, check_period, check_tenant,
};
use crate::clock::{Clock, Micros, micros};
use crate::directory::{Admission, Directory};
use crate::envelope::{Envelope, check_position};
use crate::error::Error;
use crate::frame::{text_frame, text_frame_with};
use crate::histogram::Counted;
use crate::id::{ConnectionId, EVENT_LOOP, OwnerId, Owners, Room};
use crate::identity::{Attached, Identities, Identity};
use crate::index::ConnectionIndex;
use crate::lock::lock;
use crate::measures::{Measures, Reach, Report, SharedReach};
use crate::notice::{Notice, Notices};
use crate::permits::Limits;
use crate::reactor::{Command, Mailbox, ReactorStats, Schedule, Settings};
use crate::stats::{Snapshot, Stats};
use crate::ticket::{Broadcast, Tickets};

/// One event to admit.
#[derive(Clone, Debug)]
pub struct Submission<S, P> {
    /// Tenant and branch, not yet looked at.
    pub room: (i64, i64),
    /// Names of audiences.
    pub audiences: Vec<S>,
    /// UTF-8 JSON of an object, checked at the edge.
    pub payload: P,
    /// A critical event's, `<id>/<hash>`.
    pub position: Option<S>,
    /// Unix seconds at which it began: at its producer, or at this node.
    pub origin: Option<f64>,
    /// The number under which its report is wanted; 0 for none.
    pub watch: u64,
}

/// Audiences and rooms that got their first member of an owner or lost their last; audiences once for each room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// In the order in which they were given.
    pub occupied: Vec<String>,
    /// In the order in which they had been given.
    pub vacated: Vec<String>,
    /// In the order in which they were given.
    pub rooms_occupied: Vec<Room>,
    /// In the order in which they had been given.
    pub rooms_vacated: Vec<Room>,
}

impl Occupancy {
    /// Whether nothing has changed. A room comes and goes with its audiences, so these say it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.occupied.is_empty() && self.vacated.is_empty()
    }
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

/// One owner's index, and how often somebody lost something in it.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    pub index: Mutex<ConnectionIndex>,
    /// Moved on, under the lock, by every leave and every move that takes something away. Who copied recipients and finds
    /// it unchanged knows without the lock that all of them are still entitled.
    pub losses: AtomicU64,
    pub measures: Measures,
}

/// A reactor as the others see it.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub mailbox: Mailbox,
    pub stats: ReactorStats,
}

/// What there is beside the index where the core owns sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub settings: Settings,
    pub notices: Notices,
    pub budget: Budget,
    pub reactors: Box<[Reactor]>,
}

/// The core. Thread-safe.
#[derive(Debug)]
pub struct Core {
    pub(crate) identities: Mutex<Identities>,
    /// By owner: the event loop's, then the reactors'.
    pub(crate) owned: Box<[Owned]>,
    pub(crate) directory: Directory,
    pub(crate) audiences: AudienceTable,
    pub(crate) tickets: Tickets,
    pub(crate) stats: Stats,
    /// Of events that somebody watches, until Python takes them. A leaf in the order of locks.
    reports: Mutex<Vec<Report>>,
    pub(crate) clock: Clock,
    pub(crate) sockets: Option<Sockets>,
}

impl Core {
    /// Nobody, all permits free, and the event loop the only owner.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> Self {
        Self::build(limits, clock, None)
    }

    /// The same with reactors, one for each of these polls; they do nothing before their threads are started.
    pub(crate) fn with_sockets(
        limits: Limits,
        settings: Settings,
        clock: Clock,
        polls: &[mio::Poll],
    ) -> io::Result<Self> {
        let reactors = polls.iter().map(|poll| {
            Ok(Reactor {
                mailbox: Mailbox::new(poll)?,
                stats: ReactorStats::default(),
            })
        });
        let sockets = Sockets {
            settings,
            notices: Notices::new()?,
            budget: Budget::new(settings.node_outbox_bytes),
            reactors: reactors.collect::<io::Result<_>>()?,
        };
        Ok(Self::build(limits, clock, Some(sockets)))
    }

    fn build(limits: Limits, clock: Clock, sockets: Option<Sockets>) -> Self {
        let reactors = sockets.as_ref().map_or(0, |sockets| sockets.reactors.len());
        let owned = |owner| Owned {
            index: Mutex::new(if owner == 0 {
                ConnectionIndex::default()
            } else {
                ConnectionIndex::keeping_slots()
            }),
            losses: AtomicU64::new(0),
            measures: Measures::default(),
        };
        Self {
            identities: Mutex::default(),
            owned: (0..=reactors).map(owned).collect(),
            directory: Directory::new(limits),
            audiences: AudienceTable::default(),
            tickets: Tickets::default(),
            stats: Stats::default(),
            reports: Mutex::default(),
            clock,
            sockets,
        }
    }

    /// Enter a connection; events admitted before are not for it. `positions` are those of its rooms, by branch.
    ///
    /// # Errors
    /// An id out of range or in use, an identity, memberships or positions that are refused; nothing is changed.
    pub fn attach<S: AsRef<str>>(
        &self,
        connection: i64,
        memberships: &[RawMembership<S>],
        identity: Identity,
        positions: &[(i64, Arc<str>)],
    ) -> Result<Occupancy, Error> {
        let mut identities = lock(&self.identities);
        let (connection, memberships) =
            check_newcomer(&identities, connection, memberships, &identity)?;
        check_positions(positions)?;
        let owner = EVENT_LOOP;
        identities.insert(connection, Attached { identity, owner });
        self.stats.attached();
        Ok(self.replace_memberships(connection, owner, &memberships, positions))
    }

    /// Replace a connection's memberships in one step. `positions` are those of rooms that are new to it, by branch.
    ///
    /// # Errors
    /// [`Error::NoConnection`], or what [`crate::checks`] refuses; nothing is changed.
    pub fn move_to<S: AsRef<str>>(
        &self,
        connection: i64,
        memberships: &[RawMembership<S>],
        positions: &[(i64, Arc<str>)],
    ) -> Result<Occupancy, Error> {
        let identities = lock(&self.identities);
        let (connection, attached) = attached(&identities, connection)?;
        let memberships = check_memberships(memberships, attached.identity.tenant)?;
        check_positions(positions)?;
        Ok(self.replace_memberships(connection, attached.owner, &memberships, positions))
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
        check_period(identity.check_every)?;
        if identity.tenant != old.identity.tenant {
            return Err(Error::TenantChanged {
                connection,
                from: old.identity.tenant,
                to: identity.tenant,
            });
        }
        let (owner, schedule) = (old.owner, Schedule::of(&identity));
        identities.replace(connection, identity);
        drop(identities);
        self.reschedule(connection, owner, schedule);
        Ok(())
    }

    /// Remove a connection; one that is not there changes nothing.
    ///
    /// For the event loop's connections. Those of reactors leave when they are closed.
    pub fn leave(&self, connection: i64) -> Occupancy {
        let mut identities = lock(&self.identities);
        let Ok((connection, attached)) = attached(&identities, connection) else {
            return Occupancy::default();
        };
        let owner = attached.owner;
        identities.remove(connection);
        self.stats.left();
        self.replace_memberships::<&str>(connection, owner, &[], &[])
    }

    /// Admit events, one answer for each, in order; reactors are told of those that are for members of theirs.
    ///
    /// # Errors
    /// A room out of range, or a position that cannot be spliced into its payload; then no event was admitted.
    pub fn submit_many<S: AsRef<str>, P: AsRef<[u8]>>(
        &self,
        items: &[Submission<S, P>],
    ) -> Result<Vec<Admission>, Error> {
        let mut checked = Vec::with_capacity(items.len());
        for Submission {
            room,
            payload,
            position,
            ..
        } in items
        {
            let room = Room::new(room.0, room.1)?;
            let envelope = position
                .as_ref()
                .map(|position| Envelope::new(payload.as_ref(), position.as_ref()));
            checked.push((room, envelope.transpose()?));
        }
        let mut refused_rooms = FxHashSet::default();
        let mut answers = Vec::with_capacity(items.len());
        let mut refused = 0;
        let mut passing: Vec<Vec<Command>> = self.owned.iter().map(|_| Vec::new()).collect();
        let accepted = self.clock.monotonic();
        let wall = self.clock.wall();
        for (item, (room, envelope)) in items.iter().zip(checked) {
            let payload = item.payload.as_ref();
            let size = payload.len() as u64;
            // Letting a later event of the room in would put it before the refused one.
            let answer = if refused_rooms.contains(&room) {
                Admission::Refused
            } else {
                self.directory.admit(room, size)
            };
            match answer {
                Admission::Ticket(ticket, owners) => {
                    let broadcast = Broadcast {
                        ticket,
                        room,
                        // After the admission: who is entitled joined before it, and made the name known before that.
                        audiences: Some(self.audiences.find(&item.audiences)),
                        size,
                        frame: match envelope {
                            _ if !owners.has_reactors() => Arc::default(),
                            None => text_frame(payload),
                            Some(envelope) => {
                                text_frame_with(envelope.len(), |buffer| envelope.copy_to(buffer))
                            }
                        },
                        position: item
                            .position
                            .as_ref()
                            .map(|position| position.as_ref().into()),
                        accepted,
                        age: item.origin.map(|origin| micros(wall - origin)),
                        watch: item.watch,
                        reach: SharedReach::default(),
                        owners_left: AtomicU32::new(owners.count()),
                    };
                    self.begin(broadcast, owners, &mut passing);
                }
                Admission::Refused => {
                    refused_rooms.insert(room);
                    refused += 1;
                }
                Admission::Nobody => self.report(item.watch, Reach::default(), 0),
            }
            answers.push(answer);
        }
        self.stats.batch(answers.len() as u64 - refused, refused);
        self.tell(passing);
        Ok(answers)
    }

    /// Admit a message of the gateway's own for every member of a room, in the place of a critical event.
    ///
    /// # Errors
    /// A room out of range, or a position that is none; then nothing was admitted.
    pub fn announce(
        &self,
        room: (i64, i64),
        text: &str,
        position: &str,
    ) -> Result<Admission, Error> {
        let room = Room::new(room.0, room.1)?;
        check_position(position)?;
        let size = text.len() as u64;
        let answer = self.directory.admit(room, size);
        let refused = u64::from(answer == Admission::Refused);
        self.stats.batch(1 - refused, refused);
        if let Admission::Ticket(ticket, owners) = answer {
            let broadcast = Broadcast {
                ticket,
                room,
                audiences: None,
                size,
                frame: if owners.has_reactors() {
                    text_frame(text.as_bytes())
                } else {
                    Arc::default()
                },
                position: Some(position.into()),
                accepted: self.clock.monotonic(),
                age: None,
                watch: 0,
                reach: SharedReach::default(),
                owners_left: AtomicU32::new(owners.count()),
            };
            let mut passing: Vec<Vec<Command>> = self.owned.iter().map(|_| Vec::new()).collect();
            self.begin(broadcast, owners, &mut passing);
            self.tell(passing);
        }
        Ok(answer)
    }

    /// Let the owners pass an admitted event: the event loop by its ticket, reactors by what is collected here.
    fn begin(&self, broadcast: Broadcast, owners: Owners, passing: &mut [Vec<Command>]) {
        let broadcast = Arc::new(broadcast);
        for owner in owners.reactors() {
            passing[owner.index()].push(Command::Pass(Arc::clone(&broadcast)));
        }
        if owners.has_event_loop() {
            self.tickets.hold(broadcast);
        }
    }

    /// Whom a ticket's event reaches now of the event loop's connections, each once, in no particular order.
    ///
    /// # Errors
    /// [`Error::NoTicket`].
    pub fn recipients(&self, ticket: i64) -> Result<Vec<ConnectionId>, Error> {
        let broadcast = self.tickets.get(ticket)?;
        let mut found = Vec::new();
        broadcast.recipients(&mut lock(&self.owned[0].index), &mut found);
        Ok(found.iter().map(|recipient| recipient.connection).collect())
    }

    /// Whether a connection is, now, still one of the ticket's recipients.
    ///
    /// # Errors
    /// [`Error::NoTicket`].
    pub fn still_entitled(&self, ticket: i64, connection: i64) -> Result<bool, Error> {
        let broadcast = self.tickets.get(ticket)?;
        let Ok(connection) = ConnectionId::new(connection) else {
            return Ok(false);
        };
        let index = lock(&self.owned[0].index);
        Ok(broadcast.since(&index, connection).is_some())
    }

    /// The event loop has passed a ticket's event to so many, or, with None, has thrown it away; the last owner to be done
    /// with it gives its permits back.
    ///
    /// # Errors
    /// [`Error::NoTicket`], also the second time.
    pub fn finish(&self, ticket: i64, passed: Option<Reach>) -> Result<(), Error> {
        let broadcast = self.tickets.take(ticket)?;
        if let Some(reach) = passed {
            self.set_position(EVENT_LOOP, &broadcast);
            broadcast.reach.add(reach);
        }
        self.passed(EVENT_LOOP, &broadcast, self.clock.monotonic());
        Ok(())
    }

    /// An owner stands behind an event, if that has a position.
    pub(crate) fn set_position(&self, owner: OwnerId, broadcast: &Broadcast) {
        if let Some(position) = &broadcast.position {
            let mut index = lock(&self.owned[owner.index()].index);
            index.set_position(broadcast.room, broadcast.ticket, position);
        }
    }

    /// The positions of a connection's rooms that have one, by branch; none when it is not there, or a reactor's that
    /// resumes.
    pub fn positions(&self, connection: i64) -> Vec<(i64, Arc<str>)> {
        let identities = lock(&self.identities);
        let Ok((connection, attached)) = attached(&identities, connection) else {
            return Vec::new();
        };
        if let Some(sockets) = &self.sockets
            && sockets.notices.is_resuming(connection)
        {
            return Vec::new(); // what they count is held
        }
        let found = lock(&self.owned[attached.owner.index()].index).positions_of(connection);
        let branch = |(room, position): (Room, _)| (room.branch(), position);
        found.into_iter().map(branch).collect()
    }

    /// One owner is done with an event; the last one gives its permits back, and counts it.
    pub(crate) fn passed(&self, owner: OwnerId, broadcast: &Broadcast, now: Micros) {
        if broadcast.passed() {
            self.directory.finish(broadcast.room, broadcast.size);
            let reach = broadcast.reach.sum();
            let took = now.saturating_sub(broadcast.accepted);
            let measures = &self.owned[owner.index()].measures;
            measures.record(reach.matched, took, broadcast.age);
            self.report(broadcast.watch, reach, took);
        }
    }

    /// Let whoever watches an event know what became of it.
    fn report(&self, watch: u64, reach: Reach, took: Micros) {
        if watch == 0 {
            return;
        }
        let mut reports = lock(&self.reports);
        reports.push(Report { watch, reach, took });
        let is_first = reports.len() == 1;
        drop(reports);
        if is_first && let Some(sockets) = &self.sockets {
            sockets.notices.push(Notice::Reports);
        }
    }

    /// What became of watched events, since the last call.
    pub fn reports(&self) -> Vec<Report> {
        std::mem::take(&mut *lock(&self.reports))
    }

    /// Histograms of all events that were passed, by name; times in microseconds.
    #[must_use]
    pub fn measures(&self) -> [(&'static str, Counted); 3] {
        Measures::sums(&self.owned.iter().map(|owned| &owned.measures))
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
            memberships: lock(&self.owned[attached.owner.index()].index).memberships(connection),
        })
    }

    /// How many connections carry an identity key.
    pub fn count(&self, tenant: i64, key: &str) -> usize {
        lock(&self.identities).find(tenant, key).len()
    }

    /// The connections that carry an identity key in a tenant, or in any (None), oldest first.
    pub fn find(&self, tenant: Option<i64>, key: &str) -> Vec<ConnectionId> {
        let identities = lock(&self.identities);
        match tenant {
            Some(tenant) => identities.find(tenant, key).to_vec(),
            None => identities.find_anywhere(key),
        }
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
        let mut above = identities.above(tenant, ConnectionId::cursor(cursor));
        let page: Vec<Info> = above
            .by_ref()
            .take(limit)
            .map(|(connection, attached)| Info {
                connection,
                identity: attached.identity.clone(),
                memberships: lock(&self.owned[attached.owner.index()].index)
                    .memberships(connection),
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
    ///
    /// What changed is the answer for a connection of the event loop. For a reactor's it goes through the notices, where
    /// the changes that the reactor makes go too, for both must be told in one order; the answer is then empty.
    pub(crate) fn replace_memberships<S: AsRef<str>>(
        &self,
        connection: ConnectionId,
        owner: OwnerId,
        memberships: &[Membership<'_, S>],
        positions: &[(i64, Arc<str>)],
    ) -> Occupancy {
        let mut wanted = Vec::with_capacity(memberships.len());
        for Membership { room, audiences } in memberships {
            wanted.extend(
                audiences
                    .iter()
                    .map(|name| (*room, self.audiences.intern(name.as_ref()))),
            );
        }
        let own = &self.owned[owner.index()];
        // Held to the end: who looks up recipients between the directory's change and the index' must wait.
        let mut index = lock(&own.index);
        let old_rooms = index.rooms_of(connection);
        let mut rooms_occupied = Vec::new();
        let mut learnt = Vec::new();
        let mut since = FxHashMap::default();
        for Membership { room, .. } in memberships {
            let first = if old_rooms.contains(room) {
                self.directory.now(*room)
            } else {
                let entrance = self.directory.enter(*room, owner, &self.stats);
                if entrance.is_first {
                    rooms_occupied.push(*room);
                }
                // Events under way lead up to the given position; a member that waits for them must not be told that
                // it is there. Who enters an empty room waits for none.
                let is_there =
                    entrance.is_first || (entrance.is_quiet && !index.has_position(*room));
                let given = positions
                    .iter()
                    .find(|(branch, _)| *branch == room.branch());
                if is_there && let Some((_, position)) = given {
                    learnt.push((*room, entrance.since, position));
                }
                entrance.since
            };
            since.insert(*room, first);
        }
        let change = index.replace(connection, &wanted, |room| since[&room]);
        for (room, since, position) in learnt {
            index.set_position(room, since, position);
        }
        let mut rooms_vacated = old_rooms;
        rooms_vacated.retain(|room| {
            !since.contains_key(room) && self.directory.exit(*room, owner, &self.stats)
        });
        if change.lost {
            // Release, and read with Acquire: who sees the old number took his copy before this change.
            own.losses.fetch_add(1, Ordering::Release);
        }
        self.audiences.settle(&change.occupied, &change.vacated);
        let names = |keys: &[AudienceKey]| keys.iter().map(|key| key.as_str().to_owned()).collect();
        let occupancy = Occupancy {
            occupied: names(&change.occupied),
            vacated: names(&change.vacated),
            rooms_occupied,
            rooms_vacated,
        };
        match &self.sockets {
            Some(sockets) if owner != EVENT_LOOP => {
                if !occupancy.is_empty() {
                    // Under the index' lock, which is what gives the changes their order. The caller signals.
                    let _ = sockets.notices.enqueue(Notice::Occupancy(occupancy));
                }
                Occupancy::default()
            }
            _ => occupancy,
        }
    }
}

/// The checks of an attach; the identities are locked until its end.
pub(crate) fn check_newcomer<'a, S: AsRef<str>>(
    identities: &Identities,
    connection: i64,
    memberships: &'a [RawMembership<S>],
    identity: &Identity,
) -> Result<(ConnectionId, Vec<Membership<'a, S>>), Error> {
    let connection = ConnectionId::new(connection)?;
    if identities.get(connection).is_some() {
        return Err(Error::ConnectionInUse(connection));
    }
    check_tenant(identity.tenant)?;
    check_label(&identity.label)?;
    check_period(identity.check_every)?;
    let memberships = check_memberships(memberships, identity.tenant)?;
    Ok((connection, memberships))
}

/// Refuse positions that are none.
pub(crate) fn check_positions(positions: &[(i64, Arc<str>)]) -> Result<(), Error> {
    positions
        .iter()
        .try_for_each(|(_, position)| check_position(position))
}

/// A connection that is there.
pub(crate) fn attached(
    identities: &Identities,
    connection: i64,
) -> Result<(ConnectionId, &Attached), Error> {
    let id = ConnectionId::new(connection).map_err(|_| Error::NoConnection(connection))?;
    let attached = identities.get(id).ok_or(Error::NoConnection(connection))?;
    Ok((id, attached))
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
