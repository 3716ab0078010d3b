//! Streams by hand. Random ones, and an independent decoder to compare with, are in `tests/frame`.

use super::*;

const LIMIT: usize = 65_536;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame, with the key of the standard's examples.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..0x1_0000 => {
            bytes.push(0xfe);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(0xff);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

/// Everything that one read gives, up to the first violation.
fn feed(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Event<'static>>, Violation> {
    let mut read = bytes.to_vec();
    let mut unread = Unread::new(&mut read);
    let mut events = vec![];
    while let Some(event) = decoder.next(&mut unread, LIMIT)? {
        events.push(event.into_owned());
    }
    assert!(unread.rest().is_empty(), "None means that all was read");
    Ok(events)
}

fn text(text: &str) -> Event<'_> {
    Event::Text(text.into())
}

fn close(code: Option<u16>, reason: &str) -> Event<'_> {
    let reason = reason.into();
    Event::Close { code, reason }
}

#[test]
fn the_examples_of_the_standard_as_a_client_sends_them() {
    // RFC 6455 §5.7. The masked ones stand there byte for byte; the others are masked here, as a client must.
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(frame(0x81, b"Hello"), hello);
    assert_eq!(feed(&mut Decoder::new(), hello).unwrap(), [text("Hello")]);
    let pong = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let expected = [Event::Pong(b"Hello"[..].into())];
    assert_eq!(feed(&mut Decoder::new(), pong).unwrap(), expected);
    let fragmented = [frame(0x01, b"Hel"), frame(0x80, b"lo")].concat();
    let expected = [Event::Fragment(Kind::Text), text("Hello")];
    assert_eq!(feed(&mut Decoder::new(), &fragmented).unwrap(), expected);
    let expected = [Event::Ping(b"Hello"[..].into())];
    assert_eq!(
        feed(&mut Decoder::new(), &frame(0x89, b"Hello")).unwrap(),
        expected
    );
    for len in [256, 65_536] {
        let expected = [Event::Binary(vec![7; len].into())];
        let bytes = frame(0x82, &vec![7; len]);
        assert_eq!(feed(&mut Decoder::new(), &bytes).unwrap(), expected);
    }
    for unmasked in [&b"\x81\x05Hello"[..], b"\x01\x03Hel", b"\x89\x05Hello"] {
        assert_eq!(
            feed(&mut Decoder::new(), unmasked),
            Err(Violation::Unmasked)
        );
    }
}

#[test]
fn a_stream_cut_twice_anywhere_gives_the_same_events() {
    let stream = [
        frame(0x81, "one é".as_bytes()),
        frame(0x01, b"tw\xe2\x82"),
        frame(0x89, b"in between"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"\xaco"),
        frame(0x82, &[9; 130]),
        frame(0x88, b"\x0f\xa1bye"),
        b"ignored".to_vec(),
    ]
    .concat();
    let expected = [
        text("one é"),
        Event::Fragment(Kind::Text),
        Event::Ping(b"in between"[..].into()),
        Event::Fragment(Kind::Text),
        Event::Pong(b""[..].into()),
        text("tw€o"),
        Event::Binary(vec![9; 130].into()),
        close(Some(4001), "bye"),
    ];
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let mut decoder = Decoder::new();
            let mut events = feed(&mut decoder, &stream[..first]).unwrap();
            events.extend(feed(&mut decoder, &stream[first..second]).unwrap());
            events.extend(feed(&mut decoder, &stream[second..]).unwrap());
            assert_eq!(events, expected, "cut at {first} and {second}");
            assert!(decoder.has_ended());
            assert_eq!(decoder.memory(), 0);
        }
    }
}

#[test]
fn bad_text_is_refused_in_the_middle_of_a_frame() {
    let mut decoder = Decoder::new();
    let bytes = frame(0x01, b"caf\xc3\x28 and much more that has not come");
    assert_eq!(feed(&mut decoder, &bytes[..6 + 4]), Ok(vec![]));
    assert_eq!(feed(&mut decoder, &bytes[10..11]), Err(Violation::BadUtf8));
    assert_eq!((decoder.has_ended(), decoder.memory()), (true, 0));
}

#[test]
fn bad_text_is_refused_wherever_it_is_cut() {
    let half = [frame(0x01, b"\xe2\x82"), frame(0x80, b"")].concat();
    let overlong = frame(0x81, b"\xc0\xaf");
    let reason = frame(0x88, b"\x03\xe8\xff");
    for bytes in [half, overlong, reason] {
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::new();
            let result = feed(&mut decoder, &bytes[..cut]);
            let result = result.and_then(|_| feed(&mut decoder, &bytes[cut..]));
            assert_eq!(result, Err(Violation::BadUtf8));
            assert_eq!(Violation::BadUtf8.close_code(), 1007);
        }
    }
}

#[test]
fn a_message_may_have_the_limit_and_not_a_byte_more() {
    let all = frame(0x81, &vec![b'a'; LIMIT]);
    assert_eq!(
        feed(&mut Decoder::new(), &all).unwrap(),
        [text(&"a".repeat(LIMIT))]
    );
    let mut decoder = Decoder::new();
    let too_big = frame(0x81, &vec![b'a'; LIMIT + 1]);
    let expected = Violation::TooBig {
        bytes: LIMIT as u64 + 1,
        limit: LIMIT,
    };
    assert_eq!(feed(&mut decoder, &too_big[..10]), Err(expected));
    assert_eq!(expected.close_code(), 1009);
}

#[test]
fn the_limit_is_of_all_fragments_together() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, &frame(0x02, &vec![0; LIMIT - 1])).unwrap();
    feed(&mut decoder, &frame(0x89, &[0; 125])).unwrap();
    feed(&mut decoder, &frame(0x00, &[0; 1])).unwrap();
    feed(&mut decoder, &frame(0x00, &[])).unwrap();
    let expected = Violation::TooBig {
        bytes: LIMIT as u64 + 1,
        limit: LIMIT,
    };
    assert_eq!(feed(&mut decoder, b"\x00\x81"), Err(expected));
}

#[test]
fn no_limit_is_the_greatest_number() {
    let mut read = *b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc";
    let mut decoder = Decoder::new();
    assert_eq!(
        decoder.next(&mut Unread::new(&mut read), usize::MAX),
        Ok(None)
    );
    assert!(decoder.memory() < 1024, "an announcement buys no memory");
}

#[test]
fn an_idle_decoder_is_small_and_owns_nothing() {
    assert!(size_of::<Decoder>() <= 16);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.memory(), 0);
    // A whole message in one read is lent from it.
    let mut read = frame(0x81, &[b'a'; 1000]);
    let event = decoder.next(&mut Unread::new(&mut read), LIMIT).unwrap();
    assert!(matches!(event, Some(Event::Text(Cow::Borrowed(_)))));
    assert!(matches!(decoder.state, State::Between));
    // One that came in two reads is owned by its event, not by the decoder.
    let bytes = frame(0x81, &vec![b'a'; LIMIT]);
    feed(&mut decoder, &bytes[..LIMIT]).unwrap();
    assert!((LIMIT..LIMIT + 512).contains(&decoder.memory()));
    assert_eq!(feed(&mut decoder, &bytes[LIMIT..]).unwrap().len(), 1);
    assert!(matches!(decoder.state, State::Between));
    // The same for a header and for a control frame that were cut.
    for first in [0x81, 0x89] {
        let bytes = frame(first, b"abc");
        for cut in 1..bytes.len() {
            feed(&mut decoder, &bytes[..cut]).unwrap();
            assert!((1..512).contains(&decoder.memory()));
            feed(&mut decoder, &bytes[cut..]).unwrap();
            assert!(matches!(decoder.state, State::Between));
        }
    }
}

#[test]
fn an_announced_frame_costs_only_what_has_come() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, &frame(0x81, &vec![b'a'; LIMIT])[..20]).unwrap();
    assert!(decoder.memory() < 512);
}

#[test]
fn the_caller_may_stop_between_two_frames() {
    let stream = [frame(0x81, b"one"), frame(0x81, b"two"), frame(0x81, b"th")].concat();
    let mut read = stream.clone();
    let mut unread = Unread::new(&mut read);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next(&mut unread, LIMIT), Ok(Some(text("one"))));
    assert_eq!(unread.rest(), &stream[9..], "the rest is as it was sent");
    let kept = unread.rest().to_vec();
    assert_eq!(
        feed(&mut decoder, &kept).unwrap(),
        [text("two"), text("th")]
    );
}

#[test]
fn nothing_is_read_after_a_close() {
    for (payload, expected) in [
        (&b""[..], close(None, "")),
        (b"\x03\xe8", close(Some(1000), "")),
        (b"\x03\xf5later", close(Some(1013), "later")),
    ] {
        let mut decoder = Decoder::new();
        let bytes = [frame(0x88, payload), frame(0x81, b"late"), vec![0xff; 9]].concat();
        assert_eq!(feed(&mut decoder, &bytes).unwrap(), [expected]);
        assert_eq!(feed(&mut decoder, b"\xff"), Ok(vec![]));
        assert!(decoder.has_ended());
    }
}

#[test]
fn nothing_is_read_after_a_violation() {
    let mut decoder = Decoder::new();
    assert_eq!(
        feed(&mut decoder, b"\x83"),
        Err(Violation::ReservedOpcode(3))
    );
    assert_eq!(feed(&mut decoder, &frame(0x81, b"late")), Ok(vec![]));
    assert!(decoder.has_ended());
}

#[test]
fn a_close_ends_an_unfinished_message_and_frees_it() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, &frame(0x01, &[b'a'; 9000])).unwrap();
    assert!(decoder.memory() >= 9000);
    assert_eq!(
        feed(&mut decoder, &frame(0x88, b"")).unwrap(),
        [close(None, "")]
    );
    assert_eq!(decoder.memory(), 0);
}

#[test]
fn a_flood_of_empty_fragments_is_seen_frame_by_frame() {
    let mut decoder = Decoder::new();
    let flood = [frame(0x01, b""), frame(0x00, b"").repeat(999)].concat();
    let events = feed(&mut decoder, &flood).unwrap();
    assert_eq!(events, vec![Event::Fragment(Kind::Text); 1000]);
    assert!(events.iter().all(Event::is_rated));
    assert!(decoder.memory() < 512);
}

#[test]
fn every_frame_but_pong_and_close_is_rated() {
    let stream = [
        frame(0x81, b""),
        frame(0x82, b""),
        frame(0x01, b""),
        frame(0x89, b""),
        frame(0x8a, b""),
        frame(0x88, b""),
    ]
    .concat();
    let events = feed(&mut Decoder::new(), &stream).unwrap();
    let rated: Vec<_> = events.iter().map(Event::is_rated).collect();
    assert_eq!(rated, [true, true, true, true, false, false]);
}
