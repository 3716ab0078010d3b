//! What must hold whenever the reactors are at rest.

use std::collections::{BTreeMap, BTreeSet};

use fanout_core::core::Occupancy;
use fanout_core::id::Room;
use fanout_core::notice::{Notice, Said};

use super::ward::{Resume, SILENCE};
use super::world::{AUDIENCES, WALL, World};
use super::{Checked, ensure};

impl World {
    pub fn take_notices(&mut self) -> Checked {
        for notice in self.core().notices() {
            match notice {
                Notice::Occupancy(told) => self.count_occupancy(&told)?,
                Notice::Due(ids) => return Err(format!("nobody asked for checks of {ids:?}")),
                Notice::Reports => {
                    for report in self.core().reports() {
                        let watch = report.watch;
                        ensure!(watch <= self.events, "nobody asked about {watch}");
                        ensure!(self.reported.insert(watch), "{watch} is reported twice");
                    }
                }
                Notice::Reached(number) => return Err(format!("nobody asked for {number}")),
                Notice::Page(id) => self.hear_of_page(id.get())?,
                Notice::Message(id, said) => {
                    let ward = self.ward(id.get())?;
                    ensure!(ward.told.is_none(), "{id} speaks after its end");
                    ensure!(!ward.asked, "{id} is not answered, and asks again");
                    ward.asked = true;
                    let Said::Text(text) = said else {
                        return Err(format!("{id} said {said:?}"));
                    };
                    if !ward.why.wild {
                        let expected = ward.said.pop_front();
                        ensure!(
                            expected.as_deref() == Some(&text),
                            "{id} said {expected:?}, heard {text:?}"
                        );
                    }
                    self.seen.insert("asked");
                }
                Notice::Closed(id, code, identity) => {
                    let ward = self.ward(id.get())?;
                    ensure!(
                        ward.told.is_none(),
                        "{id} ends twice: {:?}, {code}",
                        ward.told
                    );
                    ensure!(!ward.attached, "{id} has ended, and is still there");
                    ensure!(
                        ward.why.allow(code),
                        "{id} ends with {code}: {:?}",
                        ward.why
                    );
                    ensure!(
                        identity == ward.identity,
                        "{id} ends as {identity:?}, not {:?}",
                        ward.identity
                    );
                    ward.told = Some(code);
                }
            }
        }
        Ok(())
    }

    pub fn ward(&mut self, id: i64) -> Result<&mut super::ward::Ward, String> {
        let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
        let ward = self.wards.get_mut(at).filter(|ward| ward.peer.is_some());
        ward.ok_or_else(|| format!("a notice of {id}, who is no reactor's"))
    }

    fn count_occupancy(&mut self, told: &Occupancy) -> Checked {
        for name in &told.occupied {
            *self.occupied.entry(name.clone()).or_default() += 1;
        }
        for name in &told.vacated {
            let count = self.occupied.entry(name.clone()).or_default();
            *count -= 1;
            ensure!(*count >= 0, "{name} was vacated more often than occupied");
        }
        Ok(())
    }

    pub fn check_books(&mut self) -> Checked {
        let core = self.core();
        let stats = core.stats();
        let here = self.wards.iter().filter(|ward| ward.attached);
        let rooms: BTreeSet<_> = here
            .clone()
            .flat_map(|ward| ward.stays.keys().map(|(room, _)| *room))
            .collect();
        let bytes: u64 = self.tickets.iter().map(|ticket| ticket.event.size).sum();
        for (what, is, expected) in [
            ("connections", stats.connections, here.count() as u64),
            ("rooms", stats.rooms, rooms.len() as u64),
            (
                "broadcasts",
                stats.broadcasts_in_flight,
                self.tickets.len() as u64,
            ),
            ("bytes", stats.bytes_in_flight, bytes),
        ] {
            ensure!(is == expected, "{is} {what}, and not {expected}");
        }
        self.check_reactors_audiences()?;
        for ward in &mut self.wards {
            let Ok(info) = core.info(ward.id) else {
                ensure!(!ward.attached, "{} is not there", ward.id);
                continue;
            };
            ensure!(
                info.identity == ward.identity,
                "{} is {:?}",
                ward.id,
                info.identity
            );
            let rooms = info
                .memberships
                .iter()
                .map(|(room, _)| (room.tenant(), room.branch()));
            ensure!(
                rooms.eq(ward.memberships.iter().map(|membership| membership.room)),
                "{} is in {:?}",
                ward.id,
                info.memberships
            );
            if ward.peer.is_some() {
                let is_expired = ward
                    .identity
                    .expires_at
                    .is_some_and(|when| when <= WALL + self.now);
                ensure!(!is_expired, "{} has expired, and is still there", ward.id);
                let is_late = ward.is_silent && self.now - ward.seen >= SILENCE;
                ensure!(!is_late, "{} has been silent, and is still there", ward.id);
                if !ward.asked
                    && ward.owed < self.plan.outbox_bytes / 2
                    && !ward.why.wild
                    && ward.rest.is_none()
                {
                    ward.seen = ward.last_frame.max(ward.seen);
                }
            }
        }
        Ok(())
    }

    /// Which audiences reactors' connections are in, as the notices say it.
    fn check_reactors_audiences(&self) -> Checked {
        for (at, name) in AUDIENCES.iter().enumerate() {
            let here = self.wards.iter().filter(|ward| ward.peer.is_some());
            let rooms: BTreeSet<_> = here
                .flat_map(|ward| ward.stays.keys())
                .filter(|(_, audience)| *audience == at)
                .map(|(room, _)| *room)
                .collect();
            let least = i64::try_from(rooms.len()).unwrap();
            let most = least * i64::try_from(self.plan.reactors).unwrap();
            let told = self.occupied.get(*name).copied().unwrap_or_default();
            ensure!(
                (least..=most).contains(&told),
                "{name} is occupied {told} times, not {least}"
            );
        }
        Ok(())
    }

    /// A client has read all that there is: nothing that it is owed may be missing.
    pub fn check_drained(&mut self, at: usize) -> Checked {
        let outbox_bytes = self.plan.outbox_bytes;
        let ward = &mut self.wards[at];
        let Some(peer) = &ward.peer else {
            return Ok(());
        };
        if peer.has_hung_up() || !ward.attached {
            return Ok(());
        }
        let id = ward.id;
        ensure!(
            !peer.ended && !peer.is_cut(),
            "{id} is there, and its socket ended or stopped amid a frame"
        );
        ward.received
            .finish(&ward.items)
            .map_err(|error| format!("client {id}: {error}"))?;
        ensure!(
            ward.received.gaps == 0 || ward.owed > outbox_bytes || ward.held_too_much,
            "{id} lost events, and only {} bytes waited for it",
            ward.owed
        );
        let is_heard = ward.asked || ward.why.wild || ward.said.is_empty();
        ensure!(is_heard, "{id} said {:?}, and nobody heard it", ward.said);
        if ward.received.gaps > 0 {
            self.seen.insert("gap");
        }
        ensure!(
            ward.resume != Resume::Taking,
            "{id} has taken its page, and nobody was told"
        );
        ward.received.gaps = 0;
        ward.drained(outbox_bytes);
        ward.why.slow = false;
        Ok(())
    }

    // --- the event loop's ---

    /// (room, audience) of the event loop's connections, with how many are in it.
    pub fn loop_audiences(&self) -> BTreeMap<((i64, i64), usize), usize> {
        let mut counts = BTreeMap::new();
        for ward in self.wards.iter().filter(|ward| ward.peer.is_none()) {
            for key in ward.stays.keys() {
                *counts.entry(*key).or_default() += 1;
            }
        }
        counts
    }

    /// What a change of the event loop's connections was said to have done to the audiences.
    pub fn check_occupancy(
        &self,
        before: &BTreeMap<((i64, i64), usize), usize>,
        told: &Occupancy,
    ) -> Checked {
        let after = self.loop_audiences();
        let names = |of: &BTreeMap<_, _>, without: &BTreeMap<_, _>| -> Vec<String> {
            let new = of.keys().filter(|key| !without.contains_key(*key));
            let mut names: Vec<_> = new
                .map(|(_, at): &(_, usize)| AUDIENCES[*at].to_owned())
                .collect();
            names.sort();
            names
        };
        let mut given = told.clone();
        given.occupied.sort();
        given.vacated.sort();
        let rooms = |of: &BTreeMap<((i64, i64), usize), usize>, without: &BTreeMap<_, _>| {
            let of: BTreeSet<_> = of.keys().map(|(room, _)| *room).collect();
            let without: BTreeSet<_> = without
                .keys()
                .map(|(room, _): &((i64, i64), usize)| *room)
                .collect();
            let new = of.difference(&without);
            new.map(|room| Room::new(room.0, room.1).unwrap()).collect()
        };
        given.rooms_occupied.sort();
        given.rooms_vacated.sort();
        let expected = Occupancy {
            occupied: names(&after, before),
            vacated: names(before, &after),
            rooms_occupied: rooms(&after, before),
            rooms_vacated: rooms(before, &after),
        };
        ensure!(given == expected, "told {given:?}, expected {expected:?}");
        Ok(())
    }
}
