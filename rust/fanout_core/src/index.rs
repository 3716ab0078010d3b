//! Room → audience → connections, as one owner keeps it for its own connections.
//!
//! Everybody in one audience of one room stands in one vector, so that a broadcast reads memory in a row. Every
//! connection knows where it stands in each, so that leaving costs as much as it has audiences, however large they are.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::audience::AudienceKey;
use crate::id::{ConnectionId, Room, TicketId};

/// One stay: a connection in one audience of one room. 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Seat {
    connection: ConnectionId,
    /// The first ticket that it is entitled to.
    since: TicketId,
    member: u32,
    /// Which of the member's places this is: the way back.
    place: u32,
}

impl Seat {
    fn recipient(&self) -> Recipient {
        Recipient {
            connection: self.connection,
            slot: self.member,
            since: self.since,
        }
    }
}

/// Where one stay of a member is kept.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: u32,
    seat: u32,
}

/// One audience of one room, with everybody who is in it.
#[derive(Debug)]
struct Group {
    room: Room,
    audience: AudienceKey,
    seats: Vec<Seat>,
}

/// What is known of one connection. Its places stand in the order in which its rooms and audiences were given.
#[derive(Debug, Default)]
struct Member {
    places: Box<[Place]>,
}

/// Audiences that got their first member of this owner, or lost their last; one entry for each room.
#[derive(Debug, Default)]
pub struct Change {
    /// In the order in which they were given.
    pub occupied: Vec<AudienceKey>,
    /// In the order in which they had been given.
    pub vacated: Vec<AudienceKey>,
    /// Whether the connection lost any stay, so that who copied recipients before must ask again.
    pub lost: bool,
}

/// Somebody whom an event reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Which connection.
    pub connection: ConnectionId,
    /// The number of its slot, see [`ConnectionIndex::reserve`].
    pub slot: u32,
    /// The first ticket that it is entitled to.
    pub since: TicketId,
}

/// The last pass that met a member, and where in what was found it stands.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    pass: u32,
    at: u32,
}

/// For each member the last pass that met it, so that no set is built to meet it once. Beside the members and not in
/// them: a pass reads nothing else of a member.
#[derive(Debug, Default)]
struct Marks {
    marks: Vec<Mark>,
    pass: u32,
}

impl Marks {
    /// See to it that a member has a mark. A reused member's old one is of a pass gone by, and does no harm.
    fn grow(&mut self, member: usize) {
        if member == self.marks.len() {
            self.marks.push(Mark::default());
        }
    }

    /// Begin a pass, which has met nobody.
    fn begin(&mut self) {
        self.pass = self.pass.wrapping_add(1);
        if self.pass == 0 {
            self.marks.fill(Mark::default()); // once in four billion passes: old marks would look new
            self.pass = 1;
        }
    }

    /// Append somebody who was not met in this pass; otherwise he is there since the earlier of the two tickets.
    fn meet(&mut self, recipient: Recipient, found: &mut Vec<Recipient>) {
        let mark = &mut self.marks[recipient.slot as usize];
        if mark.pass == self.pass {
            let since = &mut found[mark.at as usize].since;
            *since = recipient.since.min(*since);
        } else {
            *mark = Mark {
                pass: self.pass,
                at: narrow(found.len()),
            };
            found.push(recipient);
        }
    }
}

/// How far a room's critical events have been passed.
#[derive(Clone, Debug)]
struct Passed {
    /// The event that brought it; what was admitted before does not take it back.
    ticket: TicketId,
    position: Arc<str>,
}

/// The index of one owner (the seed's name). For one thread at a time.
#[derive(Debug, Default)]
pub struct ConnectionIndex {
    /// Whether a connection's slot stays taken after it has left, until it is released.
    keeps_slots: bool,
    rooms: FxHashMap<Room, FxHashMap<AudienceKey, u32>>,
    groups: Slab<Group>,
    /// Of rooms with members. In the index, since its lock is what tells a room with members from one without.
    positions: FxHashMap<Room, Passed>,
    /// Since when a connection has been in a room, where it was moved and none of its stays there is as old.
    entered: FxHashMap<(ConnectionId, Room), TicketId>,
    connections: FxHashMap<ConnectionId, u32>,
    members: Slab<Member>,
    marks: Marks,
}

impl ConnectionIndex {
    /// An index for an owner that goes by slots: they are its own numbers for sockets, which live on for a while when
    /// the connection has left, so they are not given to others before [`ConnectionIndex::release`].
    #[must_use]
    pub fn keeping_slots() -> Self {
        Self {
            keeps_slots: true,
            ..Self::default()
        }
    }

    /// The slot of a connection that is about to enter.
    pub fn reserve(&mut self, connection: ConnectionId) -> u32 {
        self.member(connection)
    }

    /// A slot for somebody who never enters.
    pub fn reserve_for_nobody(&mut self) -> u32 {
        let slot = self.members.insert(Member::default());
        self.marked(slot)
    }

    /// Give a slot back whose connection has left.
    pub fn release(&mut self, slot: u32) {
        self.members.remove(slot as usize);
    }

    /// How many slots are taken.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.members.len()
    }

    /// A connection's slot, while it is there.
    #[must_use]
    pub fn slot(&self, connection: ConnectionId) -> Option<u32> {
        self.connections.get(&connection).copied()
    }

    /// Make these the audiences of a connection; none removes it.
    ///
    /// A stay that was there before is not touched, with whatever ticket it began; a new one begins with what `since`
    /// says of its room. `wanted` names no audience of a room twice.
    pub fn replace(
        &mut self,
        connection: ConnectionId,
        wanted: &[(Room, AudienceKey)],
        since: impl Fn(Room) -> TicketId,
    ) -> Change {
        let mut change = Change::default();
        let entered: Vec<_> = self
            .rooms_of(connection)
            .into_iter()
            .filter_map(|room| Some((room, self.entered(room, connection)?)))
            .collect();
        let member = self.member(connection);
        let old = std::mem::take(&mut self.members[member as usize].places);
        let mut gone: FxHashMap<u32, u32> =
            old.iter().map(|place| (place.group, place.seat)).collect();
        let mut places = Vec::with_capacity(wanted.len());
        for (room, audience) in wanted {
            let group = self.group(*room, audience);
            let place = narrow(places.len());
            let seats = &mut self.groups[group as usize].seats;
            let seat = gone.remove(&group).unwrap_or_else(|| {
                if seats.is_empty() {
                    change.occupied.push(audience.clone());
                }
                seats.push(Seat {
                    connection,
                    since: since(*room),
                    member,
                    place,
                });
                narrow(seats.len() - 1)
            });
            seats[seat as usize].place = place;
            places.push(Place { group, seat });
        }
        self.members[member as usize].places = places.into();
        for place in old.iter().filter(|place| gone.contains_key(&place.group)) {
            change.vacated.extend(self.vacate(*place));
        }
        change.lost = !gone.is_empty();
        if wanted.is_empty() {
            self.connections.remove(&connection);
            if !self.keeps_slots {
                self.members.remove(member as usize);
            }
        }
        for (room, since) in entered {
            self.entered.remove(&(connection, room));
            if self
                .entered(room, connection)
                .is_some_and(|stay| stay > since)
            {
                self.entered.insert((connection, room), since);
            }
        }
        change
    }

    /// Append whom a ticket reaches, each once. Who is in several of the audiences is there since the first of them, so
    /// that of a run of tickets each member gets those from its own first on.
    pub fn recipients(
        &mut self,
        ticket: TicketId,
        room: Room,
        audiences: &[AudienceKey],
        found: &mut Vec<Recipient>,
    ) {
        let Some(in_room) = self.rooms.get(&room) else {
            return;
        };
        if let [audience] = audiences {
            if let Some(group) = in_room.get(audience) {
                let seats = &self.groups[*group as usize].seats;
                found.reserve(seats.len());
                found.extend(
                    seats
                        .iter()
                        .filter(|seat| seat.since <= ticket)
                        .map(Seat::recipient),
                );
            }
            return;
        }
        let groups = audiences
            .iter()
            .filter_map(|audience| in_room.get(audience));
        self.marks.begin();
        for group in groups {
            for seat in &self.groups[*group as usize].seats {
                if seat.since <= ticket {
                    self.marks.meet(seat.recipient(), found);
                }
            }
        }
    }

    /// Append who has been in a room since a ticket was admitted, each once, with the first ticket since then.
    pub fn members(&mut self, ticket: TicketId, room: Room, found: &mut Vec<Recipient>) {
        let Some(in_room) = self.rooms.get(&room) else {
            return;
        };
        self.marks.begin();
        for group in in_room.values() {
            for seat in &self.groups[*group as usize].seats {
                let mut recipient = seat.recipient();
                // Seldom is anybody in there at all.
                if !self.entered.is_empty()
                    && let Some(entered) = self.entered.get(&(seat.connection, room))
                {
                    recipient.since = *entered;
                }
                if recipient.since <= ticket {
                    self.marks.meet(recipient, found);
                }
            }
        }
    }

    /// The first ticket since which a connection has been in a room; None where it is not.
    #[must_use]
    pub fn entered(&self, room: Room, connection: ConnectionId) -> Option<TicketId> {
        let stays = self.places(connection).iter().filter_map(|place| {
            let group = &self.groups[place.group as usize];
            (group.room == room).then(|| group.seats[place.seat as usize].since)
        });
        let moved = self.entered.get(&(connection, room)).copied();
        stays.chain(moved).min()
    }

    /// The first ticket that a connection is entitled to in any of a ticket's audiences; None if the ticket does not
    /// reach it.
    #[must_use]
    pub fn since(
        &self,
        ticket: TicketId,
        room: Room,
        audiences: &[AudienceKey],
        connection: ConnectionId,
    ) -> Option<TicketId> {
        self.places(connection)
            .iter()
            .filter_map(|place| {
                let group = &self.groups[place.group as usize];
                let is_meant = group.room == room && audiences.contains(&group.audience);
                is_meant.then(|| group.seats[place.seat as usize].since)
            })
            .filter(|since| *since <= ticket)
            .min()
    }

    /// A connection's rooms and audiences, in the order in which they were given.
    #[must_use]
    pub fn memberships(&self, connection: ConnectionId) -> Vec<(Room, Vec<AudienceKey>)> {
        let mut memberships: Vec<(Room, Vec<AudienceKey>)> = Vec::new();
        for place in self.places(connection) {
            let group = &self.groups[place.group as usize];
            match memberships.last_mut() {
                Some((room, audiences)) if *room == group.room => {
                    audiences.push(group.audience.clone());
                }
                _ => memberships.push((group.room, vec![group.audience.clone()])),
            }
        }
        memberships
    }

    /// Events of a room have been passed up to this one; a room without members has no position.
    pub fn set_position(&mut self, room: Room, ticket: TicketId, position: &Arc<str>) {
        let is_newer = |known: &Passed| known.ticket <= ticket;
        if self.rooms.contains_key(&room) && self.positions.get(&room).is_none_or(is_newer) {
            let position = Arc::clone(position);
            self.positions.insert(room, Passed { ticket, position });
        }
    }

    /// Whether a room has a position.
    #[must_use]
    pub fn has_position(&self, room: Room) -> bool {
        self.positions.contains_key(&room)
    }

    /// The positions of a connection's rooms that have one, in the order in which the rooms were given.
    #[must_use]
    pub fn positions_of(&self, connection: ConnectionId) -> Vec<(Room, Arc<str>)> {
        let passed = |room: Room| Some((room, Arc::clone(&self.positions.get(&room)?.position)));
        self.rooms_of(connection)
            .into_iter()
            .filter_map(passed)
            .collect()
    }

    /// A connection's rooms, in the order in which they were given.
    #[must_use]
    pub fn rooms_of(&self, connection: ConnectionId) -> Vec<Room> {
        let mut rooms: Vec<Room> = self
            .places(connection)
            .iter()
            .map(|place| self.groups[place.group as usize].room)
            .collect();
        rooms.dedup(); // a room's audiences stand side by side
        rooms
    }

    fn places(&self, connection: ConnectionId) -> &[Place] {
        self.connections
            .get(&connection)
            .map_or(&[], |member| &self.members[*member as usize].places)
    }

    /// The connection's member, a new one where there is none.
    fn member(&mut self, connection: ConnectionId) -> u32 {
        if let Some(member) = self.connections.get(&connection) {
            return *member;
        }
        let slot = self.members.insert(Member::default());
        let member = self.marked(slot);
        self.connections.insert(connection, member);
        member
    }

    /// See to it that a member has a mark.
    fn marked(&mut self, member: usize) -> u32 {
        self.marks.grow(member);
        narrow(member)
    }

    /// The group of an audience, a new one where there is none; the caller seats somebody in it.
    fn group(&mut self, room: Room, audience: &AudienceKey) -> u32 {
        let in_room = self.rooms.entry(room).or_default();
        if let Some(group) = in_room.get(audience) {
            return *group;
        }
        let group = narrow(self.groups.insert(Group {
            room,
            audience: audience.clone(),
            seats: Vec::new(),
        }));
        in_room.insert(audience.clone(), group);
        group
    }

    /// End a stay; the audience, when it was its last.
    fn vacate(&mut self, place: Place) -> Option<AudienceKey> {
        let group = &mut self.groups[place.group as usize];
        group.seats.swap_remove(place.seat as usize);
        if let Some(moved) = group.seats.get(place.seat as usize) {
            self.members[moved.member as usize].places[moved.place as usize].seat = place.seat;
        }
        if !group.seats.is_empty() {
            if group.seats.len() * 4 < group.seats.capacity() {
                group.seats.shrink_to(group.seats.len() * 2); // an evening's crowd is not paid for all night
            }
            return None;
        }
        let group = self.groups.remove(place.group as usize);
        if let Some(in_room) = self.rooms.get_mut(&group.room) {
            in_room.remove(&group.audience);
            if in_room.is_empty() {
                self.rooms.remove(&group.room);
                self.positions.remove(&group.room);
            }
        }
        Some(group.audience)
    }
}

/// Numbers of connections and audiences in four bytes: a node runs out of everything else first.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 connections and audiences on a node")
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
