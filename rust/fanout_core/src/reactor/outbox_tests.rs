use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1_000;
const ROOM: usize = 64;

fn frame(text: &str) -> Frames {
    Frames::whole(text_frame(text.as_bytes()))
}

/// What a client would read, written in pieces of `step` bytes at most.
fn written(outbox: &mut Outbox, step: usize, budget: &Budget) -> Vec<u8> {
    let mut all = Vec::new();
    let mut scratch = Vec::new();
    while !outbox.is_empty() {
        let direct = outbox.next(&mut scratch, ROOM, budget);
        let bytes = match &direct {
            Some((piece, skip)) => &piece.bytes()[*skip..],
            None => &scratch[..],
        };
        if bytes.is_empty() {
            outbox.advance(0, budget);
            break;
        }
        let taken = bytes.len().min(step);
        all.extend_from_slice(&bytes[..taken]);
        outbox.advance(taken, budget);
    }
    all
}

/// The payloads of unmasked frames, all under 126 bytes.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let [_, len, rest @ ..] = bytes {
        let (text, after) = rest.split_at(usize::from(*len));
        found.push(String::from_utf8(text.to_vec()).unwrap());
        bytes = after;
    }
    found
}

#[test]
fn what_waits_goes_out_in_order_and_is_paid_back() {
    let budget = Budget::new(0);
    let mut outbox = Outbox::default();
    for text in ["one", "two", "three"] {
        outbox.push(frame(text), Sort::BestEffort, LIMIT, &budget);
    }
    assert_eq!(outbox.used(), 3 * ENTRY_OVERHEAD + 11);
    assert_eq!(
        texts(&written(&mut outbox, 2, &budget)),
        ["one", "two", "three"]
    );
    assert_eq!((outbox.used(), budget.used()), (0, 0));
}

#[test]
fn the_oldest_are_dropped_and_neighbouring_gaps_are_one() {
    let budget = Budget::new(0);
    let mut outbox = Outbox::default();
    let limit = 4 * (ENTRY_OVERHEAD + 60);
    let long = |n: usize| format!("{n}{}", "x".repeat(59));
    let mut dropped = 0;
    for n in 0..9 {
        match outbox.push(frame(&long(n)), Sort::BestEffort, limit, &budget) {
            Pushed::Taken { dropped: more } => dropped += more,
            Pushed::Overflow { .. } => panic!("events can be dropped"),
        }
    }
    let got = texts(&written(&mut outbox, 7, &budget));
    assert_eq!(
        got[0],
        format!("{{\"type\":\"gap\",\"dropped\":{dropped}}}")
    );
    assert_eq!(dropped + got.len() as u64 - 1, 9);
    assert_eq!(
        got[1..],
        (9 - got.len() + 1..9).map(long).collect::<Vec<_>>()
    );
    assert_eq!((outbox.used(), budget.used()), (0, 0));
}

#[test]
fn a_frame_that_has_begun_is_never_dropped() {
    let budget = Budget::new(0);
    let mut outbox = Outbox::default();
    outbox.push(frame("begun"), Sort::BestEffort, LIMIT, &budget);
    outbox.advance(1, &budget);
    for _ in 0..50 {
        outbox.push(frame("later"), Sort::BestEffort, 400, &budget);
    }
    let mut rest = vec![0x81];
    rest.extend(written(&mut outbox, 9, &budget));
    assert_eq!(texts(&rest)[0], "begun");
    outbox.push(frame("begun"), Sort::BestEffort, LIMIT, &budget);
    outbox.advance(1, &budget);
    for sort in [Sort::Kept, Sort::BestEffort, Sort::BestEffort] {
        outbox.push(frame("later"), sort, LIMIT, &budget);
    }
    assert_eq!(outbox.discard(&budget), 2, "but not the one that has begun");
    assert_eq!(written(&mut outbox, 9, &budget), b"\x05begun");
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_frame_that_is_put_in_begun_has_room_and_stays() {
    let budget = Budget::new(0);
    let mut outbox = Outbox::default();
    let long = "x".repeat(100);
    outbox.append_begun(frame(&long), 3, &budget);
    assert_eq!(outbox.used(), ENTRY_OVERHEAD + 100);
    assert_eq!(
        outbox.make_room(10, &budget),
        Pushed::Overflow { dropped: 0 }
    );
    assert_eq!(outbox.discard(&budget), 0);
    assert_eq!(written(&mut outbox, 9, &budget), &long.as_bytes()[1..]);
    assert_eq!((outbox.used(), budget.used()), (0, 0));
}

#[test]
fn what_another_outbox_holds_follows_with_its_gaps_and_charges() {
    let budget = Budget::new(0);
    let (mut outbox, mut held) = (Outbox::default(), Outbox::default());
    for text in ["one", "two"] {
        outbox.push(frame(text), Sort::Kept, LIMIT, &budget);
    }
    outbox.advance(1, &budget);
    let long = |n: usize| format!("{n}{}", "x".repeat(59));
    let limit = 4 * (ENTRY_OVERHEAD + 60);
    for n in 0..6 {
        held.push(frame(&long(n)), Sort::BestEffort, limit, &budget);
    }
    let used = outbox.used() + held.used();
    outbox.take_over(held);
    assert_eq!((outbox.used(), budget.used()), (used, signed(used)));
    // What was held may still be dropped: the gap that came with it grows.
    let limit = used + ENTRY_OVERHEAD;
    let pushed = outbox.push(frame(&long(6)), Sort::BestEffort, limit, &budget);
    assert_eq!(pushed, Pushed::Taken { dropped: 1 });
    let mut rest = vec![0x81];
    rest.extend(written(&mut outbox, 9, &budget));
    let mut expected = vec!["one".to_owned(), "two".to_owned()];
    expected.push("{\"type\":\"gap\",\"dropped\":4}".to_owned());
    expected.extend((4..7).map(long));
    assert_eq!(texts(&rest), expected);
    assert_eq!((outbox.used(), budget.used()), (0, 0));
}

#[test]
fn what_may_not_be_dropped_overflows() {
    let budget = Budget::new(0);
    let mut outbox = Outbox::default();
    let push = |outbox: &mut Outbox| outbox.push(frame("x"), Sort::Kept, 300, &budget);
    assert_eq!(push(&mut outbox), Pushed::Taken { dropped: 0 });
    assert_eq!(push(&mut outbox), Pushed::Taken { dropped: 0 });
    assert_eq!(push(&mut outbox), Pushed::Overflow { dropped: 0 });
    outbox.clear(&budget);
    assert_eq!((outbox.used(), budget.used()), (0, 0));
}

#[test]
fn neighbours_in_one_buffer_are_sent_from_where_they_are() {
    let budget = Budget::new(0);
    let mut outbox = Outbox::default();
    let buffer: Arc<[u8]> = Arc::from(&b"\x81\x01a\x81\x01b\x81\x01c"[..]);
    for at in [0, 3, 6] {
        let part = Frames::part(&buffer, at..at + 3);
        outbox.push(part, Sort::BestEffort, LIMIT, &budget);
    }
    let mut scratch = Vec::new();
    let (piece, skip) = outbox.next(&mut scratch, ROOM, &budget).unwrap();
    assert_eq!((piece.bytes(), skip), (&buffer[..], 0));
    outbox.advance(4, &budget);
    let (piece, skip) = outbox.next(&mut scratch, ROOM, &budget).unwrap();
    assert_eq!(&piece.bytes()[skip..], &buffer[4..]);
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize, bool),
    Write(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..100_usize, any::<bool>()).prop_map(|(len, kept)| Step::Push(len, kept)),
        1 => (1..300_usize).prop_map(Step::Write),
    ]
}

proptest! {
    /// Whatever is pushed and written in whatever pieces: every kept frame arrives, in order; every other arrives or is
    /// counted by the gap that stands in its place; the charge is that of what waits.
    #[test]
    fn nothing_is_lost_in_silence(steps in prop::collection::vec(step(), 1..80)) {
        let budget = Budget::new(0);
        let mut outbox = Outbox::default();
        let (mut sent, mut got, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Push(len, kept) => {
                    let number = sent.len();
                    let text = format!("{number}:{}", "x".repeat(len));
                    let sort = if kept { Sort::Kept } else { Sort::BestEffort };
                    let pushed = outbox.push(frame(&text), sort, LIMIT, &budget);
                    sent.push(kept);
                    if matches!(pushed, Pushed::Overflow { .. }) {
                        return Ok(());
                    }
                    prop_assert!(outbox.used() <= LIMIT);
                }
                Step::Write(step) => {
                    let direct = outbox.next(&mut scratch, ROOM, &budget);
                    let bytes = match &direct {
                        Some((piece, skip)) => &piece.bytes()[*skip..],
                        None => &scratch[..],
                    };
                    let taken = bytes.len().min(step);
                    got.extend_from_slice(&bytes[..taken]);
                    outbox.advance(taken, &budget);
                }
            }
            prop_assert_eq!(budget.used(), i64::try_from(outbox.used()).unwrap());
        }
        got.extend(written(&mut outbox, 50, &budget));
        prop_assert_eq!((outbox.used(), budget.used()), (0, 0));
        let mut next = 0;
        for text in texts(&got) {
            if let Some(count) = text.strip_prefix("{\"type\":\"gap\",\"dropped\":") {
                let count: usize = count.trim_end_matches('}').parse().unwrap();
                prop_assert!(sent[next..next + count].iter().all(|kept| !kept), "a kept frame was dropped");
                next += count;
            } else {
                let number: usize = text.split(':').next().unwrap().parse().unwrap();
                prop_assert_eq!(number, next);
                next += 1;
            }
        }
        prop_assert_eq!(next, sent.len());
    }
}
