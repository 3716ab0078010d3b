//! Events in, and the event loop's tickets out.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanout_core::core::Submission;
use fanout_core::directory::Admission;
use fanout_core::measures::Reach;

use super::item::{Event, RoomKey};
use super::world::{AUDIENCES, Ticket, World};
use super::{Checked, ensure};

const SIZES: [usize; 8] = [1, 64, 120, 1_000, 5_000, 20_000, 64_000, 70_000];

impl World {
    /// Submit a batch; each event's first byte says its room and whether it is critical, the second its audiences.
    pub fn submit(&mut self, given: &[(u8, u8)], size: u8) -> Checked {
        let repeated = 1 + usize::from(size >> 3) % 12;
        let mut events = Vec::new();
        let mut items = Vec::new();
        for n in 0..repeated {
            for (room, audiences) in given {
                let number = self.events + 1 + events.len() as u64;
                let size = SIZES[(usize::from(size) + n * usize::from(room >> 4)) % SIZES.len()];
                let (event, payload) = event(number, *room, *audiences, size);
                items.push(Submission {
                    room: event.room,
                    audiences: event
                        .audiences
                        .iter()
                        .map(|at| AUDIENCES[*at].to_owned())
                        .collect(),
                    payload,
                    position: event.critical.then(|| format!("{number}-0/ab")),
                    origin: None,
                    watch: number,
                });
                events.push(Arc::new(event));
            }
        }
        let answers = self
            .core()
            .submit_many(&items)
            .map_err(|error| format!("not submitted: {error}"))?;
        ensure!(answers.len() == events.len(), "{} answers", answers.len());
        let mut refused = BTreeSet::new();
        for (event, answer) in events.iter().zip(&answers) {
            self.events += 1;
            match answer {
                Admission::Refused => {
                    ensure!(
                        refused.contains(&event.room) || self.may_be_full(event),
                        "refused, though permits are free: event {}",
                        event.number
                    );
                    refused.insert(event.room);
                    self.seen.insert("refused");
                }
                Admission::Nobody => {
                    ensure!(
                        !refused.contains(&event.room),
                        "let in before a refused one"
                    );
                    self.check_nobody(event.room)?;
                    self.seen.insert("nobody");
                }
                Admission::Ticket(ticket, owners) => {
                    ensure!(
                        !refused.contains(&event.room),
                        "let in before a refused one"
                    );
                    let has_loop = self
                        .members(event.room)
                        .any(|at| self.wards[at].peer.is_none());
                    ensure!(
                        owners.has_event_loop() == has_loop,
                        "the event loop has members: {has_loop}; the core says otherwise"
                    );
                    if has_loop {
                        self.tickets.push_back(Ticket {
                            number: ticket.0,
                            event: Arc::clone(event),
                        });
                    }
                    self.owe(event);
                }
            }
        }
        Ok(())
    }

    /// Pass the oldest tickets to the event loop's connections, and finish them.
    pub fn pass(&mut self, turns: u8) -> Checked {
        for _ in 0..=turns % 8 {
            let Some(ticket) = self.tickets.pop_front() else {
                break;
            };
            self.pass_one(&ticket)?;
        }
        Ok(())
    }

    fn pass_one(&mut self, ticket: &Ticket) -> Checked {
        let core = self.core();
        let wrong = |error| format!("a ticket is lost: {error}");
        let mut got: Vec<_> = core
            .recipients(ticket.number)
            .map_err(wrong)?
            .iter()
            .map(|id| id.get())
            .collect();
        got.sort_unstable();
        let loops = self.wards.iter().filter(|ward| ward.peer.is_none());
        let mut wanted = Vec::new();
        for ward in loops {
            let is_entitled = ward.attached && ward.is_entitled(&ticket.event);
            let says = core.still_entitled(ticket.number, ward.id).map_err(wrong)?;
            ensure!(says == is_entitled, "{} is still entitled: {says}", ward.id);
            if is_entitled {
                wanted.push(ward.id);
            }
        }
        ensure!(
            got == wanted,
            "event {} reaches {got:?}, not {wanted:?}",
            ticket.event.number
        );
        core.finish(ticket.number, Some(Reach::default()))
            .map_err(wrong)?;
        ensure!(core.finish(ticket.number, None).is_err(), "finished twice");
        self.seen.insert("passed by the loop");
        Ok(())
    }

    fn owe(&mut self, event: &Arc<Event>) {
        for ward in &mut self.wards {
            if ward.peer.is_some() && ward.attached && ward.is_entitled(event) {
                ward.owe(Arc::clone(&event.text), Some(Arc::clone(event)));
            }
        }
        self.unsettled.push(Arc::clone(event));
    }

    /// Whether all permits may be taken: by what the event loop holds, and what reactors may not have passed yet.
    fn may_be_full(&self, event: &Event) -> bool {
        let (broadcasts, bytes, room) = self.plan.limits;
        let tickets = self.tickets.iter().map(|ticket| &ticket.event);
        let under_way: Vec<_> = tickets
            .chain(&self.unsettled)
            .map(|event| (event.number, event.room, event.size))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let full = |limit: i64, wanted: u64| limit > 0 && wanted > limit.unsigned_abs();
        let count = under_way.len() as u64;
        let size: u64 = under_way.iter().map(|(_, _, size)| size).sum();
        let in_room = under_way
            .iter()
            .filter(|(_, room, _)| *room == event.room)
            .count() as u64;
        full(broadcasts, count + 1) || full(bytes, size + event.size) || full(room, in_room + 1)
    }

    /// Who is in a room, as far as is known.
    fn members(&self, room: RoomKey) -> impl Iterator<Item = usize> {
        self.wards.iter().enumerate().filter_map(move |(at, ward)| {
            let is_in = ward.attached && ward.stays.keys().any(|(of, _)| *of == room);
            is_in.then_some(at)
        })
    }

    /// The core said that nobody is in a room: whoever should be must have left by himself.
    fn check_nobody(&self, room: RoomKey) -> Checked {
        for at in self.members(room) {
            let id = self.wards[at].id;
            ensure!(
                self.core().info(id).is_err(),
                "{id} is in {room:?}, and was overlooked"
            );
        }
        Ok(())
    }
}

/// An event and its payload.
fn event(number: u64, room: u8, audiences: u8, size: usize) -> (Event, String) {
    let key = (1 + i64::from(room & 1), 5 + i64::from(room >> 1 & 1));
    let chosen: Vec<usize> = (0..AUDIENCES.len())
        .filter(|at| audiences >> at & 1 != 0)
        .collect();
    let critical = room & 0b1100 == 0b0100;
    let rest = format!("\"n\":{number},\"tenant\":{}", key.0);
    let pad = "x".repeat(size.saturating_sub(rest.len() + 10));
    let payload = format!("{{{rest},\"p\":\"{pad}\"}}");
    let text = if critical {
        let front = format!("{{\"event_id\":\"{number}-0\",\"position\":\"{number}-0/ab\",");
        front + &payload[1..]
    } else {
        payload.clone()
    };
    let event = Event {
        number,
        room: key,
        audiences: if chosen.is_empty() { vec![0] } else { chosen },
        text: text.into(),
        critical,
        size: payload.len() as u64,
    };
    (event, payload)
}
