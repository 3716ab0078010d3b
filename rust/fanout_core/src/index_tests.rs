//! The index against a model that is a list of stays.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::audience::AudienceTable;

#[derive(Clone, Debug)]
enum Step {
    /// Connection, and for each of three rooms the audiences as bits.
    Replace(i64, [u8; 3]),
    /// Room, audiences as bits.
    Broadcast(usize, u8),
}

const NAMES: [&str; 4] = [
    "branch:5:waiters",
    "branch:5:kitchen",
    "sector:9:waiters",
    "session:77",
];

/// Two tenants, and one branch number that both use.
fn rooms() -> [Room; 3] {
    [(1, 5), (2, 5), (1, 6)].map(|(tenant, branch)| Room::new(tenant, branch).unwrap())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..12_i64, prop::array::uniform3(0..16_u8)).prop_map(|(id, bits)| Step::Replace(id, bits)),
        (0..3_usize, 0..16_u8).prop_map(|(room, bits)| Step::Broadcast(room, bits)),
    ]
}

fn named(bits: u8) -> impl Iterator<Item = &'static str> {
    NAMES
        .into_iter()
        .enumerate()
        .filter(move |(at, _)| bits & (1 << at) != 0)
        .map(|(_, name)| name)
}

fn id(number: i64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

proptest! {
    #[test]
    fn agrees_with_a_list_of_stays(steps in prop::collection::vec(step(), 1..120)) {
        let table = AudienceTable::default();
        let mut index = ConnectionIndex::default();
        let mut stays: Vec<(ConnectionId, Room, &str, i64)> = Vec::new();
        let mut last_ticket = 0;
        for step in steps {
            match step {
                Step::Replace(number, bits) => {
                    let connection = id(number);
                    let wanted: Vec<(Room, &str)> = rooms().into_iter().zip(bits)
                        .flat_map(|(room, bits)| named(bits).map(move |name| (room, name))).collect();
                    let before: BTreeSet<_> = stays.iter().map(|stay| (stay.1, stay.2)).collect();
                    stays.retain(|stay| stay.0 != connection || wanted.contains(&(stay.1, stay.2)));
                    for (room, name) in &wanted {
                        if !stays.iter().any(|stay| (stay.0, stay.1, stay.2) == (connection, *room, *name)) {
                            stays.push((connection, *room, name, last_ticket + 1));
                        }
                    }
                    let after: BTreeSet<_> = stays.iter().map(|stay| (stay.1, stay.2)).collect();
                    let keys: Vec<_> = wanted.iter().map(|(room, name)| (*room, table.intern(name))).collect();
                    let change = index.replace(connection, &keys, |_| TicketId(last_ticket + 1));
                    let sorted = |keys: &[AudienceKey]| {
                        let mut names: Vec<_> = keys.iter().map(|key| key.as_str().to_owned()).collect();
                        names.sort();
                        names
                    };
                    let names = |a: &BTreeSet<(Room, &str)>, b: &BTreeSet<(Room, &str)>| {
                        let mut names: Vec<_> = a.difference(b).map(|(_, name)| (*name).to_owned()).collect();
                        names.sort();
                        names
                    };
                    prop_assert_eq!(sorted(&change.occupied), names(&after, &before));
                    prop_assert_eq!(sorted(&change.vacated), names(&before, &after));
                    let told: Vec<_> = index.memberships(connection).into_iter()
                        .flat_map(|(room, keys)| keys.into_iter().map(move |key| (room, key.as_str().to_owned())))
                        .collect();
                    let given: Vec<_> = wanted.iter().map(|(room, name)| (*room, (*name).to_owned())).collect();
                    prop_assert_eq!(told, given);
                }
                Step::Broadcast(room, bits) => {
                    last_ticket += 1;
                    let room = rooms()[room];
                    let keys: Vec<_> = named(bits).map(|name| table.intern(name)).collect();
                    // An old ticket as well as the newest: a stay that is younger than the event must be left out.
                    for ticket in [last_ticket, (last_ticket - 2).max(1)] {
                        let expected: BTreeSet<_> = stays.iter()
                            .filter(|stay| stay.1 == room && stay.3 <= ticket && named(bits).any(|name| name == stay.2))
                            .map(|stay| stay.0).collect();
                        let mut found = Vec::new();
                        index.recipients(TicketId(ticket), room, &keys, &mut found);
                        let unique: BTreeSet<_> = found.iter().map(|recipient| recipient.connection).collect();
                        prop_assert_eq!(unique.len(), found.len(), "somebody was met twice");
                        prop_assert_eq!(&unique, &expected);
                        for connection in (1..12).map(id) {
                            let reached = index.since(TicketId(ticket), room, &keys, connection).is_some();
                            prop_assert_eq!(reached, expected.contains(&connection));
                        }
                    }
                }
            }
        }
        for connection in (1..12).map(id) {
            index.replace(connection, &[], |_| unreachable!("nobody joins"));
        }
        prop_assert!(index.rooms.is_empty() && index.groups.is_empty());
        prop_assert!(index.members.is_empty() && index.connections.is_empty());
    }
}

#[test]
fn a_crowd_that_left_is_not_paid_for() {
    let table = AudienceTable::default();
    let mut index = ConnectionIndex::default();
    let (room, key) = (rooms()[0], table.intern(NAMES[0]));
    for number in 1..=1_000 {
        index.replace(id(number), &[(room, key.clone())], |_| TicketId(1));
    }
    for number in 2..=1_000 {
        index.replace(id(number), &[], |_| TicketId(1));
    }
    assert!(index.groups[0].seats.capacity() <= 8);
}
