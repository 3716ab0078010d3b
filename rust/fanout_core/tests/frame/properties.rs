//! Random messages, fragmented, masked and cut at random, arrive as they were sent.

use std::iter;

use fanout_core::frame::{Event, Kind};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::client;
use crate::feed::compare;
use crate::reference::{self, Known};

const LIMIT: usize = 70_000;

/// A frame to send, and what it means once it is there.
type Sent = (u8, Vec<u8>, Event<'static>);

fn payload() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let text = || prop_oneof!["[ -~]{0,40}", ".{0,40}", "[a-zé€😀]{120,140}"];
    prop_oneof![
        8 => text().prop_map(|text| (Kind::Text, text.into_bytes())),
        4 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (Kind::Binary, bytes)),
        1 => (65_530usize..65_545).prop_map(|len| (Kind::Binary, vec![b'x'; len])),
    ]
}

fn control() -> impl Strategy<Value = Sent> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..10),
        Just(vec![1; 125])
    ];
    (bytes, any::<bool>()).prop_map(|(bytes, ping)| {
        if ping {
            (0x89, bytes.clone(), Event::Ping(bytes.into()))
        } else {
            (0x8a, bytes.clone(), Event::Pong(bytes.into()))
        }
    })
}

/// A message in one to five frames, with control frames in between.
fn message() -> impl Strategy<Value = Vec<Sent>> {
    let cuts = prop::collection::vec(any::<Index>(), 0..5);
    let between = prop::collection::vec(control(), 0..3);
    (payload(), cuts, between).prop_map(|((kind, bytes), cuts, between)| {
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(bytes.len());
        let starts = iter::once(0).chain(ends.iter().copied());
        let opcode = if kind == Kind::Text { 1 } else { 2 };
        let mut between = between.into_iter();
        let mut sent = vec![];
        for (at, (start, end)) in starts.zip(&ends).enumerate() {
            let piece = bytes[start..*end].to_vec();
            let opcode = if at == 0 { opcode } else { 0 };
            if at + 1 < ends.len() {
                sent.push((opcode, piece, Event::Fragment(kind)));
                sent.extend(between.next());
            } else {
                let whole = match kind {
                    Kind::Text => Event::Text(String::from_utf8(bytes.clone()).unwrap().into()),
                    Kind::Binary => Event::Binary(bytes.clone().into()),
                };
                sent.push((0x80 | opcode, piece, whole));
            }
        }
        sent
    })
}

/// The bytes of the frames, and what is known after each.
fn stream(sent: &[Sent], keys: &[[u8; 4]]) -> (Vec<u8>, Vec<Known>) {
    let mut bytes = vec![];
    let mut known = vec![];
    for ((first, payload, event), key) in sent.iter().zip(keys.iter().cycle()) {
        bytes.extend(client::frame(*first, *key, payload));
        known.push((bytes.len(), Ok(event.clone())));
    }
    (bytes, known)
}

proptest! {
    #[test]
    fn what_was_sent_arrives_however_it_is_cut(
        messages in prop::collection::vec(message(), 1..5),
        keys in prop::collection::vec(any::<[u8; 4]>(), 1..4),
        sizes in prop::collection::vec(prop_oneof![1usize..8, 1usize..70_000], 1..20),
        stops in prop::collection::vec(any::<bool>(), 1..9),
    ) {
        let (bytes, known) = stream(&messages.concat(), &keys);
        let mut sizes = sizes.iter().copied().cycle();
        let mut stops = stops.iter().copied().cycle();
        let result = compare(&bytes, LIMIT, &known, || sizes.next().unwrap(), || stops.next().unwrap());
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(reference::decode(&bytes, LIMIT), known);
    }

    #[test]
    fn any_bytes_are_judged_as_the_reference_judges_them(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80u8..0x8b, Just(0u8)], 0..60),
        size in 1usize..20,
        limit in 0usize..40,
    ) {
        let known = reference::decode(&bytes, limit);
        prop_assert_eq!(compare(&bytes, limit, &known, || size, || true), Ok(()));
    }
}
