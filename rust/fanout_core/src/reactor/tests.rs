//! Reactors seen from a client's end of a socket pair, and from the core's.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::checks::RawMembership;
use crate::clock::Clock;
use crate::core::{Core, Submission};
use crate::directory::Admission;
use crate::id::{ConnectionId, OwnerId};
use crate::identity::Identity;
use crate::lock::lock;
use crate::measures::Reach;
use crate::notice::{Notice, Said};
use crate::permits::Limits;
use crate::reactor::{Settings, Until};
use crate::sockets::{Newcomer, Reactors};

const KITCHEN: &str = "branch:5:kitchen";
const ADMIN: &str = "branch:5:admin";
const ROOM: (i64, i64) = (1, 5);
const WALL: f64 = 1_700_000_000.0;
const PONG: &str = r#"{"type":"pong","positions":{}}"#;

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Pong(Vec<u8>),
    Close(u16),
    End,
}

fn texts(expected: &[&str]) -> Vec<Got> {
    expected
        .iter()
        .map(|text| Got::Text((*text).to_owned()))
        .collect()
}

/// A client's end. Reads only when it is asked to.
struct Client {
    id: i64,
    stream: UnixStream,
    /// A duplicate of the other end; with it a test fills the way to the client.
    server: Option<UnixStream>,
    unread: Vec<u8>,
    /// Bytes of junk with which the socket was filled.
    junk: usize,
}

impl Client {
    fn say(&mut self, opcode: u8, payload: &[u8]) {
        self.stream.write_all(&masked(opcode, payload)).unwrap();
    }

    fn say_text(&mut self, text: &str) {
        self.say(1, text.as_bytes());
    }

    /// All that has come.
    fn got(&mut self) -> Vec<Got> {
        let mut is_over = false;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    is_over = true;
                    break;
                }
                Ok(read) => {
                    let junk = self.junk.min(read);
                    self.junk -= junk;
                    self.unread.extend_from_slice(&buffer[junk..read]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    is_over = true;
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        let mut got = Vec::new();
        while let Some((frame, len)) = parse(&self.unread) {
            self.unread.drain(..len);
            got.push(frame);
        }
        if is_over {
            assert!(self.unread.is_empty(), "a frame was cut");
            got.push(Got::End);
        }
        got
    }
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            frame.push(0xfe);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend([1, 2, 3, 4]);
    frame.extend(
        payload
            .iter()
            .zip([1, 2, 3, 4].iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

fn parse(bytes: &[u8]) -> Option<(Got, usize)> {
    let (header, len) = match bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)),
        ),
        127 => {
            let len = u64::from_be_bytes(*bytes[2..].first_chunk()?);
            (10, usize::try_from(len).unwrap())
        }
        len => (2, usize::from(*len)),
    };
    let payload = bytes.get(header..header + len)?;
    let got = match bytes[0] {
        0x81 => Got::Text(String::from_utf8(payload.to_vec()).unwrap()),
        0x8a => Got::Pong(payload.to_vec()),
        0x88 => Got::Close(u16::from_be_bytes(
            *payload.first_chunk().unwrap_or(&[0; 2]),
        )),
        other => panic!("opcode {other:#x}"),
    };
    Some((got, header + len))
}

/// Reactors with a clock that stands still.
struct Rig {
    reactors: Reactors,
    last: i64,
    now: f64,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        let limits = Limits::new(0, 0, 0).unwrap();
        let clock = Clock::manual(1_000.0, WALL);
        Self {
            reactors: Reactors::start(limits, settings, clock).unwrap(),
            last: 0,
            now: 0.0,
        }
    }

    fn core(&self) -> &Core {
        self.reactors.core()
    }

    fn settle(&self) {
        assert!(
            self.core().barrier(Until::Quiet, Duration::from_secs(20)),
            "the reactors do not come to rest"
        );
    }

    fn advance(&mut self, seconds: f64) {
        self.settle(); // so that what happened before happened at the old time
        self.now += seconds;
        self.core().advance(1_000.0 + self.now, WALL + self.now);
        self.settle();
    }

    fn connect(&mut self, audiences: &[&'static str]) -> Client {
        self.connect_as(audiences, Identity::default(), Vec::new(), None)
    }

    fn connect_as(
        &mut self,
        audiences: &[&'static str],
        identity: Identity,
        early: Vec<u8>,
        first: Option<&str>,
    ) -> Client {
        self.last += 1;
        let (client, stream) = pair();
        let membership = RawMembership {
            room: ROOM,
            audiences: audiences.to_vec(),
        };
        let identity = Identity {
            tenant: 1,
            ..identity
        };
        let newcomer = Newcomer {
            stream,
            early: early.into(),
            first: first.map(str::to_owned),
            positions: Vec::new(),
            is_resuming: false,
        };
        self.core()
            .adopt(self.last, &[membership], identity, newcomer)
            .unwrap();
        Client {
            id: self.last,
            ..client
        }
    }

    fn submit(&self, audiences: &[&'static str], payloads: &[&str]) -> Vec<Admission> {
        let items: Vec<_> = payloads
            .iter()
            .map(|payload| Submission {
                room: ROOM,
                audiences: audiences.to_vec(),
                payload,
                position: None,
                origin: None,
                watch: 0,
            })
            .collect();
        self.core().submit_many(&items).unwrap()
    }

    fn closed(&self) -> Vec<(i64, u16)> {
        self.notices()
            .iter()
            .filter_map(|notice| match notice {
                Notice::Closed(id, code, _) => Some((id.get(), *code)),
                _ => None,
            })
            .collect()
    }

    fn notices(&self) -> Vec<Notice> {
        self.settle();
        self.core().notices()
    }

    /// Fill the way to a client until the kernel takes no more, as it is when a client does not read.
    fn stall(&self, client: &mut Client) {
        self.settle();
        let mut server = client.server.as_ref().unwrap();
        for size in [1 << 15, 1 << 10, 1] {
            while let Ok(written) = server.write(&vec![0; size]) {
                client.junk += written;
            }
        }
    }
}

fn pair() -> (Client, TcpStream) {
    let (client, server) = UnixStream::pair().unwrap();
    client.set_nonblocking(true).unwrap();
    let client = Client {
        id: 0,
        stream: client,
        server: Some(server.try_clone().unwrap()),
        unread: Vec::new(),
        junk: 0,
    };
    (client, TcpStream::from(OwnedFd::from(server)))
}

fn user(keys: &[&str], expires_at: Option<f64>) -> Identity {
    Identity {
        keys: keys.iter().map(|key| (*key).into()).collect(),
        expires_at,
        ..Identity::default()
    }
}

/// What a stalled client gets when it begins to read again.
fn all_of(rig: &Rig, client: &mut Client) -> Vec<Got> {
    let mut all = client.got();
    loop {
        rig.settle();
        match client.got() {
            more if more.is_empty() => return all,
            more if all.last() == Some(&Got::End) => {
                assert_eq!(more, [Got::End]);
                return all;
            }
            more => all.extend(more),
        }
    }
}

/// A payload that says its number, and is as long as it is told.
fn event(n: usize, len: usize) -> String {
    let start = format!("{{\"n\":{n},\"pad\":\"");
    let pad = "x".repeat(len.saturating_sub(start.len() + 2));
    format!("{start}{pad}\"}}")
}

// --- events ---

#[test]
fn an_event_reaches_its_audience_and_nobody_else() {
    let mut rig = Rig::new(Settings::default());
    let mut kitchen = rig.connect(&[KITCHEN]);
    let mut admin = rig.connect(&[ADMIN, "x"]);
    let mut both = rig.connect(&[ADMIN, KITCHEN]);
    rig.submit(&[KITCHEN], &["1"]);
    rig.submit(&[KITCHEN, ADMIN], &["2"]);
    let mut late = rig.connect(&[KITCHEN]);
    rig.settle();
    assert_eq!(kitchen.got(), texts(&["1", "2"]));
    assert_eq!(both.got(), texts(&["1", "2"]));
    assert_eq!(admin.got(), texts(&["2"]));
    assert_eq!(late.got(), texts(&[]));
    let [(_, passing), _, (_, audience)] = rig.core().measures();
    assert_eq!((passing.counts.iter().sum::<u64>(), audience.sum), (2, 5));
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 4);
    assert_eq!(rig.core().stats().broadcasts_in_flight, 0);
}

#[test]
fn a_batch_goes_out_as_one_send_to_each() {
    let mut rig = Rig::new(Settings::default());
    let mut clients: Vec<_> = (0..5).map(|_| rig.connect(&[KITCHEN])).collect();
    rig.settle();
    let sends = || rig.core().socket_stats().unwrap().sends;
    let before = sends();
    let payloads: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    rig.submit(&[KITCHEN], &payloads);
    rig.settle();
    for client in &mut clients {
        assert_eq!(client.got(), texts(&payloads));
    }
    assert_eq!(sends() - before, 5);
}

#[test]
fn what_alternates_gathers_and_goes_out_as_one_send_to_each() {
    let mut rig = Rig::new(Settings::default());
    let mut kitchen = rig.connect(&[KITCHEN]);
    let mut both = rig.connect(&[KITCHEN, ADMIN]);
    rig.settle();
    let before = rig.core().socket_stats().unwrap().sends;
    let items: Vec<_> = (0..40)
        .map(|n| Submission {
            room: ROOM,
            audiences: vec![if n % 2 == 0 { KITCHEN } else { ADMIN }],
            payload: n.to_string(),
            position: None,
            origin: None,
            watch: 0,
        })
        .collect();
    rig.core().submit_many(&items).unwrap();
    rig.settle();
    let all: Vec<_> = (0..40).map(|n| Got::Text(n.to_string())).collect();
    let even: Vec<_> = all.iter().step_by(2).cloned().collect();
    assert_eq!((kitchen.got(), both.got()), (even, all));
    // The last event of the batch finds nothing behind it, and is still not sent past what has gathered.
    assert!(rig.core().socket_stats().unwrap().sends - before <= 3);
}

#[test]
fn a_critical_event_carries_its_position() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    let item = Submission {
        room: ROOM,
        audiences: vec![KITCHEN],
        payload: "{\"n\":1}",
        position: Some("7-1/0123abcd"),
        origin: None,
        watch: 0,
    };
    rig.core().submit_many(&[item]).unwrap();
    rig.settle();
    let expected = r#"{"event_id":"7-1","position":"7-1/0123abcd","n":1}"#;
    assert_eq!(client.got(), texts(&[expected]));
}

#[test]
fn a_pong_counts_an_event_only_behind_it() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    rig.settle();
    let held = rig.core().hold();
    let item = Submission {
        room: ROOM,
        audiences: vec![KITCHEN],
        payload: "{}",
        position: Some("7-1/0123abcd"),
        origin: None,
        watch: 0,
    };
    rig.core().submit_many(&[item]).unwrap();
    client.say_text("ping"); // read before the mailbox is looked at
    drop(held);
    rig.settle();
    client.say_text("ping");
    rig.settle();
    let event = r#"{"event_id":"7-1","position":"7-1/0123abcd"}"#;
    let counted = r#"{"type":"pong","positions":{"5":"7-1/0123abcd"}}"#;
    let got = client.got();
    assert!(
        got == texts(&[PONG, event, counted]) || got == texts(&[event, counted, counted]),
        "{got:?}"
    );
}

#[test]
fn who_joins_an_audience_inside_a_run_gets_the_later_part() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[ADMIN]);
    let mut other = rig.connect(&[KITCHEN]);
    rig.settle();
    let held = rig.core().hold();
    rig.submit(&[KITCHEN], &["1", "2"]);
    move_to(&rig, client.id, &[ADMIN, KITCHEN]);
    rig.submit(&[KITCHEN], &["3", "4"]);
    drop(held);
    rig.settle();
    assert_eq!(client.got(), texts(&["3", "4"]));
    assert_eq!(other.got(), texts(&["1", "2", "3", "4"]));
    assert_eq!(
        rig.core().socket_stats().unwrap().sends,
        2,
        "it was one run"
    );
}

#[test]
fn who_goes_and_comes_back_inside_a_run_gets_what_followed() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    rig.settle();
    let held = rig.core().hold();
    rig.submit(&[KITCHEN], &["1"]);
    move_to(&rig, client.id, &[ADMIN]);
    rig.submit(&[KITCHEN], &["2"]);
    move_to(&rig, client.id, &[KITCHEN]);
    rig.submit(&[KITCHEN], &["3"]);
    drop(held);
    rig.settle();
    assert_eq!(client.got(), texts(&["3"]));
}

fn move_to(rig: &Rig, id: i64, audiences: &[&'static str]) {
    let membership = RawMembership {
        room: ROOM,
        audiences: audiences.to_vec(),
    };
    rig.core().move_to(id, &[membership], &[]).unwrap();
}

/// A crowd on two reactors, jobs that are cut, and somebody leaving or moving all the while.
#[test]
fn after_a_leave_nothing_more_is_passed() {
    let settings = Settings {
        reactors: 2,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut clients: Vec<_> = (0..700).map(|_| rig.connect(&[KITCHEN])).collect();
    rig.settle();
    for round in 0..20 {
        for n in 0..5 {
            rig.submit(&[KITCHEN], &[&format!("{}", round * 5 + n)]);
        }
        let leaver = &mut clients[round * 30];
        assert_eq!(rig.core().close(leaver.id, 1000, ""), Some(true));
        let mover = &clients[round * 30 + 1];
        move_to(&rig, mover.id, &[ADMIN]);
        rig.submit(&[KITCHEN], &[&format!("after {round}")]);
        move_to(&rig, mover.id, &[KITCHEN]);
    }
    rig.settle();
    for (at, client) in clients.iter_mut().enumerate() {
        let got = client.got();
        let round = at / 30;
        let numbers: Vec<usize> = got
            .iter()
            .filter_map(|got| match got {
                Got::Text(text) => text.parse().ok(),
                _ => None,
            })
            .collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        let afters: Vec<usize> = got
            .iter()
            .filter_map(|got| match got {
                Got::Text(text) => text.strip_prefix("after ")?.parse().ok(),
                _ => None,
            })
            .collect();
        match at % 30 {
            0 if round < 20 => {
                assert!(numbers.iter().all(|n| *n < (round + 1) * 5));
                assert!(afters.iter().all(|n| *n < round), "{afters:?}");
                assert_eq!(got[got.len() - 2..], [Got::Close(1000), Got::End]);
            }
            1 if round < 20 => {
                assert!(!afters.contains(&round), "{afters:?}");
                assert!(afters.ends_with(&(round + 1..20).collect::<Vec<_>>()));
            }
            _ => assert_eq!((numbers.len(), afters.len()), (100, 20)),
        }
    }
    assert_eq!(rig.core().stats().broadcasts_in_flight, 0);
    assert_eq!(rig.closed().len(), 20);
}

#[test]
fn a_room_spreads_over_the_reactors() {
    let settings = Settings {
        reactors: 2,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut clients: Vec<_> = (0..300).map(|_| rig.connect(&[KITCHEN])).collect();
    rig.submit(&[KITCHEN], &["1"]);
    rig.settle();
    assert!(
        clients
            .iter_mut()
            .all(|client| client.got() == texts(&["1"]))
    );
    let reactors = &rig.core().sockets.as_ref().unwrap().reactors;
    assert!(
        reactors
            .iter()
            .all(|reactor| reactor.stats.sends.load(Ordering::Relaxed) > 0),
        "a part each"
    );
    assert_eq!(rig.core().stats().broadcasts_in_flight, 0);
}

// --- slow clients ---

#[test]
fn a_stalled_client_delays_nobody_and_gets_everything_later() {
    let mut rig = Rig::new(Settings::default());
    let mut slow = rig.connect(&[KITCHEN]);
    let mut healthy = rig.connect(&[KITCHEN]);
    rig.stall(&mut slow);
    let all: Vec<_> = (0..100).map(|n| event(n, 300)).collect();
    for payload in &all {
        rig.submit(&[KITCHEN], &[payload]);
    }
    rig.settle();
    let expected: Vec<_> = all.iter().map(|text| Got::Text(text.clone())).collect();
    assert_eq!(healthy.got(), expected);
    assert!(rig.core().socket_stats().unwrap().outbox_bytes > 0);
    assert_eq!(all_of(&rig, &mut slow), expected);
    assert_eq!(rig.core().socket_stats().unwrap().outbox_bytes, 0);
}

#[test]
fn an_overflow_drops_the_oldest_and_says_so() {
    let settings = Settings {
        outbox_bytes: 5 * (200 + 128),
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut slow = rig.connect(&[KITCHEN]);
    rig.stall(&mut slow);
    let all: Vec<_> = (0..9).map(|n| event(n, 200)).collect();
    for payload in &all {
        rig.submit(&[KITCHEN], &[payload]);
        rig.settle();
    }
    let got = all_of(&rig, &mut slow);
    let Got::Text(gap) = &got[0] else {
        panic!("{got:?}")
    };
    let kept = got.len() - 1;
    assert_eq!(
        *gap,
        format!("{{\"type\":\"gap\",\"dropped\":{}}}", 9 - kept)
    );
    assert!(kept >= 3, "{got:?}");
    let later: Vec<_> = all[9 - kept..].iter().map(String::as_str).collect();
    assert_eq!(got[1..], texts(&later));
    let stats = rig.core().socket_stats().unwrap();
    assert_eq!((stats.dropped, stats.slow_closes), (9 - kept as u64, 0));
}

#[test]
fn a_frame_that_the_kernel_has_begun_is_finished_though_it_is_larger_than_the_outbox() {
    let settings = Settings {
        outbox_bytes: 4_000,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut client = rig.connect(&[KITCHEN]);
    let large = event(1, 1_000_000); // more than a socket pair takes
    // It comes in pieces, so nothing whole may come for a while.
    let read = |rig: &Rig, client: &mut Client| {
        let mut got = Vec::new();
        for _ in 0..100 {
            rig.settle();
            got.extend(client.got());
        }
        got.dedup();
        got
    };
    rig.submit(&[KITCHEN], &[&large]);
    rig.settle();
    assert!(rig.core().socket_stats().unwrap().outbox_bytes > 1_000_000);
    assert!(read(&rig, &mut client) == texts(&[&large]), "it came cut");
    // What stands behind it has no room.
    rig.submit(&[KITCHEN], &[&large]);
    rig.settle();
    rig.submit(&[KITCHEN], &[&event(2, 10)]);
    let expected = [Got::Text(large), Got::Close(1013), Got::End];
    assert!(read(&rig, &mut client) == expected, "it came cut");
    assert_eq!(rig.core().socket_stats().unwrap().outbox_bytes, 0);
}

#[test]
fn one_who_cannot_be_kept_is_closed_and_cut_off_in_bounded_time() {
    let settings = Settings {
        outbox_bytes: 1_000,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut slow = rig.connect_as(&[KITCHEN], user(&["user:1"], None), Vec::new(), None);
    rig.stall(&mut slow);
    for n in 0..9 {
        assert_eq!(rig.core().send(slow.id, &event(n, 200)), Some(n < 9));
        rig.settle();
        if rig.core().count(1, "user:1") == 0 {
            break;
        }
    }
    assert_eq!(rig.core().count(1, "user:1"), 0);
    rig.advance(1.99);
    assert_eq!(rig.closed(), []);
    rig.advance(0.01);
    assert_eq!(rig.closed(), [(slow.id, 1013)]);
    let stats = rig.core().socket_stats().unwrap();
    assert_eq!(
        (stats.slow_closes, stats.outbox_bytes, stats.sockets),
        (1, 0, 0)
    );
}

#[test]
fn above_the_nodes_budget_the_largest_is_closed() {
    let settings = Settings {
        node_outbox_bytes: 20_000,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut large = rig.connect(&[KITCHEN]);
    let mut small = rig.connect(&[ADMIN]);
    rig.stall(&mut large);
    rig.stall(&mut small);
    rig.submit(&[ADMIN], &[&event(0, 4_000)]);
    rig.settle();
    for n in 1..6 {
        rig.submit(&[KITCHEN], &[&event(n, 4_000)]);
        rig.settle();
    }
    assert_eq!(all_of(&rig, &mut large), [Got::Close(1013), Got::End]);
    assert_eq!(all_of(&rig, &mut small).len(), 1);
    assert_eq!(rig.closed(), [(large.id, 1013)]);
}

// --- what clients say ---

#[test]
fn heartbeats_are_answered_and_pings_of_the_protocol_too() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    client.say_text("ping");
    client.say(9, b"hello");
    client.say_text(" {\"type\": \"ping\"} ");
    client.say(10, b"unasked");
    rig.settle();
    let expected = [
        Got::Text(PONG.into()),
        Got::Pong(b"hello".to_vec()),
        Got::Text(PONG.into()),
    ];
    assert_eq!(client.got(), expected);
    assert_eq!(rig.notices().len(), 1, "but for the occupancy nothing");
    let stats = rig.core().socket_stats().unwrap();
    assert_eq!((stats.frames_in, stats.pings), (4, 3));
}

#[test]
fn a_client_is_not_read_until_its_message_is_answered() {
    let mut rig = Rig::new(Settings::default());
    let early = [masked(1, b"one"), masked(1, b"two")].concat();
    let mut client = rig.connect_as(&[KITCHEN], Identity::default(), early, Some("welcome"));
    client.say_text("ping");
    let id = ConnectionId::new(client.id).unwrap();
    let said = |text: &str| Notice::Message(id, Said::Text(text.into()));
    assert_eq!(rig.notices()[1..], [said("one")]);
    assert_eq!(rig.core().answer(client.id, Some("1")), Some(true));
    assert_eq!(rig.notices(), [said("two")]);
    assert_eq!(rig.core().answer(client.id, None), Some(true));
    assert_eq!(rig.core().answer(client.id, None), Some(false));
    rig.settle();
    assert_eq!(client.got(), texts(&["welcome", "1", PONG]));
}

#[test]
fn each_breach_has_its_code() {
    for (frame, code) in [
        (b"\x81\x01x".to_vec(), 1002),
        (masked(3, b""), 1002),
        (masked(2, b"binary"), 1003),
        (masked(1, b"\xff"), 1007),
        (vec![0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4], 1009),
    ] {
        let mut rig = Rig::new(Settings::default());
        let mut client = rig.connect(&[KITCHEN]);
        client.stream.write_all(&frame).unwrap();
        rig.settle();
        assert_eq!(client.got(), [Got::Close(code), Got::End], "{frame:x?}");
        assert_eq!(rig.closed(), [(client.id, code)]);
        assert_eq!(rig.core().stats().connections, 0);
    }
}

#[test]
fn the_twenty_first_frame_of_a_burst_closes() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    for _ in 0..20 {
        client.say_text("ping");
    }
    client.say(10, b"");
    rig.settle();
    assert_eq!(client.got().len(), 20);
    client.say(9, b"");
    rig.settle();
    assert_eq!(client.got(), [Got::Close(4029), Got::End]);
    assert_eq!(rig.closed(), [(client.id, 4029)]);
}

#[test]
fn an_echo_gets_every_message() {
    let settings = Settings {
        all_messages: true,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    let mut client = rig.connect(&[KITCHEN]);
    client.say_text("ping");
    client.say(2, b"\xff");
    let id = ConnectionId::new(client.id).unwrap();
    assert_eq!(
        rig.notices()[1..],
        [Notice::Message(id, Said::Text("ping".into()))]
    );
    assert_eq!(rig.core().answer(client.id, None), Some(true));
    assert_eq!(
        rig.notices(),
        [Notice::Message(id, Said::Binary([0xff].into()))]
    );
}

// --- the end ---

#[test]
fn a_peers_close_is_echoed_and_told_once() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect_as(&[KITCHEN], user(&["user:1"], None), Vec::new(), None);
    client.say(8, &1000_u16.to_be_bytes());
    rig.settle();
    assert_eq!(client.got(), [Got::Close(1000), Got::End]);
    let [
        Notice::Occupancy(_),
        Notice::Occupancy(gone),
        Notice::Closed(id, 1000, who),
    ] = &rig.notices()[..]
    else {
        panic!("occupied, vacated, closed")
    };
    assert_eq!(gone.vacated, [KITCHEN]);
    assert_eq!((id.get(), &*who.keys[0]), (client.id, "user:1"));
    drop(client);
    rig.settle();
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 0);
}

#[test]
fn a_peer_that_vanishes_is_told_as_lost() {
    let mut rig = Rig::new(Settings::default());
    let client = rig.connect(&[KITCHEN]);
    let id = client.id;
    rig.settle();
    drop(client);
    assert_eq!(rig.closed(), [(id, 1006)]);
    assert_eq!(rig.core().stats().connections, 0);
}

#[test]
fn a_close_stands_behind_what_waits_and_the_peer_gets_it() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    rig.stall(&mut client);
    rig.submit(&[KITCHEN], &["1", "2"]);
    rig.settle();
    assert_eq!(rig.core().close(client.id, 4001, "auth failed"), Some(true));
    assert_eq!(rig.core().close(client.id, 1000, ""), Some(false));
    assert_eq!(rig.core().send(client.id, "x"), Some(false));
    rig.submit(&[KITCHEN], &["3"]);
    rig.settle();
    // What it says meanwhile is read and counts for nothing, so that no reset destroys the close.
    client.say_text("unread");
    rig.settle();
    let got = all_of(&rig, &mut client);
    let mut expected = texts(&["1", "2"]);
    expected.extend([Got::Close(4001), Got::End]);
    assert_eq!(got, expected);
    assert_eq!(rig.closed(), [(client.id, 4001)]);
    client.say(8, &4001_u16.to_be_bytes());
    drop(client);
    rig.settle();
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 0);
}

#[test]
fn closes_that_cross_are_told_with_the_peers_code() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    rig.stall(&mut client);
    rig.submit(&[KITCHEN], &["1"]);
    assert_eq!(rig.core().close(client.id, 4001, ""), Some(true));
    rig.settle();
    client.say(8, &1001_u16.to_be_bytes());
    assert_eq!(rig.closed(), [(client.id, 1001)]);
    assert_eq!(all_of(&rig, &mut client), [Got::Close(1001), Got::End]);
    rig.advance(9.0);
    assert_eq!(rig.closed(), []);
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 0);
}

/// The reactor reads the peer's close before it hears of ours, which has taken the identity out already.
#[test]
fn a_peers_close_before_ours_is_heard_of_is_told_with_its_identity() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect_as(&[KITCHEN], user(&["user:1"], None), Vec::new(), None);
    rig.stall(&mut client);
    rig.submit(&[KITCHEN], &["1"]);
    rig.settle();
    let held = rig.core().hold();
    client.say(8, &1001_u16.to_be_bytes());
    assert_eq!(rig.core().close(client.id, 4001, ""), Some(true));
    drop(held);
    let notices = rig.notices();
    let Some(Notice::Closed(_, 1001, who)) = notices.last() else {
        panic!("{notices:?}")
    };
    assert_eq!(&*who.keys[0], "user:1");
}

#[test]
fn one_that_lingers_is_cut_off() {
    let mut rig = Rig::new(Settings::default());
    let mut client = rig.connect(&[KITCHEN]);
    rig.settle();
    assert_eq!(rig.core().close(client.id, 1000, ""), Some(true));
    rig.settle();
    assert_eq!(client.got(), [Got::Close(1000), Got::End]);
    rig.advance(1.99);
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 1);
    rig.advance(0.01);
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 0);
    assert_eq!(rig.closed(), [(client.id, 1000)]);
}

#[test]
fn a_refused_socket_gets_its_code() {
    let rig = Rig::new(Settings::default());
    let (mut client, stream) = pair();
    rig.core().refuse(stream, 4001, "auth failed").unwrap();
    rig.settle();
    assert_eq!(client.got(), [Got::Close(4001), Got::End]);
    drop(client);
    assert_eq!(rig.notices(), []);
    assert_eq!(rig.core().socket_stats().unwrap().sockets, 0);
    assert_eq!(lock(&rig.core().owned[1].index).slots(), 0);
}

#[test]
fn stopping_cuts_off_who_is_left_and_gives_permits_back() {
    let mut rig = Rig::new(Settings::default());
    let clients: Vec<_> = (0..10).map(|_| rig.connect(&[KITCHEN])).collect();
    rig.settle();
    for n in 0..2_000 {
        rig.submit(&[KITCHEN], &[&n.to_string()]);
    }
    rig.reactors.stop();
    assert_eq!(rig.core().stats().broadcasts_in_flight, 0);
    let closed = rig.core().notices().len();
    assert_eq!(
        closed,
        1 + 1 + clients.len(),
        "occupied, vacated, and each once"
    );
    assert_eq!(rig.core().stats().connections, 0);
    assert_eq!(lock(&rig.core().owned[1].index).slots(), 0);
}

#[test]
fn who_comes_after_the_end_is_closed_at_once() {
    let rig = Rig::new(Settings::default());
    rig.reactors.stop();
    let (mut client, stream) = pair();
    rig.core().refuse(stream, 1001, "").unwrap();
    client.server = None; // the duplicate would keep the pair open
    assert_eq!(client.got(), [Got::End]);
    assert!(!rig.core().barrier(Until::Passed, Duration::from_secs(20)));
    rig.reactors.stop();
}

#[test]
fn everybody_is_closed_with_one_code() {
    let mut rig = Rig::new(Settings::default());
    let mut clients: Vec<_> = (0..5).map(|_| rig.connect(&[KITCHEN])).collect();
    rig.submit(&[KITCHEN], &["1"]);
    rig.core().close_all(1001);
    rig.settle();
    for client in &mut clients {
        let got = client.got();
        assert_eq!(
            got,
            [texts(&["1"]), vec![Got::Close(1001), Got::End]].concat()
        );
    }
    assert_eq!(rig.closed().len(), 5);
}

// --- time ---

#[test]
fn silence_closes_after_its_time_and_any_frame_breaks_it() {
    let mut rig = Rig::new(Settings::default());
    let silent = rig.connect(&[KITCHEN]);
    let mut alive = rig.connect(&[KITCHEN]);
    rig.advance(30.0);
    alive.say(10, b"");
    rig.advance(29.9);
    assert_eq!(rig.closed(), []);
    rig.advance(0.1);
    assert_eq!(rig.closed(), [(silent.id, 1001)]);
    rig.advance(29.9);
    assert_eq!(rig.closed(), []);
    rig.advance(0.1);
    assert_eq!(rig.closed(), [(alive.id, 1001)]);
}

#[test]
fn expiry_goes_by_the_wall_clock() {
    let mut rig = Rig::new(Settings::default());
    let exact = rig.connect_as(&[KITCHEN], user(&[], Some(WALL + 30.0)), Vec::new(), None);
    let stepped = rig.connect_as(
        &[KITCHEN],
        user(&[], Some(WALL + 3_600.0)),
        Vec::new(),
        None,
    );
    let late = rig.connect_as(&[KITCHEN], user(&[], Some(WALL + 40.0)), Vec::new(), None);
    let renewed = Identity {
        tenant: 1,
        ..user(&[], Some(WALL + 9_000.0))
    };
    rig.core().set_identity(late.id, renewed).unwrap();
    let past = rig.connect_as(&[KITCHEN], user(&[], Some(WALL - 1.0)), Vec::new(), None);
    assert_eq!(rig.closed(), [(past.id, 4001)]);
    rig.advance(29.999);
    assert_eq!(rig.closed(), []);
    rig.advance(0.001);
    assert_eq!(rig.closed(), [(exact.id, 4001)]);
    rig.core().advance(1_030.0, WALL + 3_600.0);
    assert_eq!(rig.closed(), [(stepped.id, 4001)]);
}

/// Whatever happens at once, every connection's end is told once and nothing is left of it.
#[test]
fn ends_that_cross_are_told_once() {
    let settings = Settings {
        reactors: 2,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    for round in 0..30 {
        let mut clients: Vec<_> = (0..20).map(|_| rig.connect(&[KITCHEN, ADMIN])).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            match (at + round) % 4 {
                0 => client.say(8, &1000_u16.to_be_bytes()),
                1 => client.stream.shutdown(std::net::Shutdown::Both).unwrap(),
                2 => client.say(2, b"breach"),
                _ => {}
            }
            rig.submit(&[KITCHEN, ADMIN], &["x"]);
            if at % 3 != 0 {
                let _ = rig.core().close(client.id, 4001, "");
            }
        }
        rig.core().close_all(1001);
        let mut ids: Vec<_> = rig.closed().iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        let expected: Vec<_> = clients.iter().map(|client| client.id).collect();
        assert_eq!(ids, expected);
        drop(clients);
        rig.settle();
    }
    let stats = rig.core().socket_stats().unwrap();
    assert_eq!((stats.sockets, stats.outbox_bytes), (0, 0));
    assert_eq!(rig.core().stats().connections, 0);
    for owned in &rig.core().owned {
        assert_eq!(lock(&owned.index).slots(), 0);
    }
    assert_eq!(
        rig.core()
            .directory
            .place(crate::id::Room::new(1, 5).unwrap(), 1),
        OwnerId(1)
    );
}

#[test]
fn who_watches_an_event_is_told_whom_it_reached_and_how() {
    let mut rig = Rig::new(Settings {
        outbox_bytes: 2_000,
        ..Settings::default()
    });
    let _fast = rig.connect(&[KITCHEN]);
    let mut slow = rig.connect(&[KITCHEN]);
    let _other = rig.connect(&[ADMIN]);
    rig.stall(&mut slow);
    let small = "s".repeat(1_000);
    let large = "l".repeat(3_000);
    for (watch, audience, payload, position) in [
        (1, KITCHEN, &small, None),
        (0, KITCHEN, &small, None),
        (2, ADMIN, &small, None),
        (3, "sector:9:waiters", &small, None),
        (
            4,
            KITCHEN,
            &format!("{{\"n\":\"{large}\"}}"),
            Some("7-1/0123abcd"),
        ),
    ] {
        let item = Submission {
            room: ROOM,
            audiences: vec![audience],
            payload,
            position,
            origin: Some(WALL - 2.0),
            watch,
        };
        rig.core().submit_many(&[item]).unwrap();
        rig.settle();
    }
    assert!(rig.notices().contains(&Notice::Reports));
    let told: Vec<_> = rig
        .core()
        .reports()
        .iter()
        .map(|report| {
            let Reach {
                matched,
                queued,
                lost,
            } = report.reach;
            (report.watch, matched, queued, lost)
        })
        .collect();
    // The last does not fit beside anything: the slow one is closed over it.
    assert_eq!(
        told,
        [(1, 2, 1, 0), (2, 1, 0, 0), (3, 0, 0, 0), (4, 2, 0, 1)]
    );
    let [(_, passing), (_, end_to_end), (_, audience)] = rig.core().measures();
    assert_eq!((passing.counts.iter().sum::<u64>(), audience.sum), (5, 7));
    assert_eq!((end_to_end.counts[10], end_to_end.sum), (5, 10_000_000));
}

#[test]
fn each_event_of_a_run_is_reported_with_its_own_recipients() {
    let mut rig = Rig::new(Settings::default());
    let _early = rig.connect(&[KITCHEN]);
    rig.settle();
    let held = rig.core().hold();
    let mut late = None;
    for watch in 1..=2 {
        let item = Submission {
            room: ROOM,
            audiences: vec![KITCHEN],
            payload: "{}",
            position: None,
            origin: None,
            watch,
        };
        rig.core().submit_many(&[item]).unwrap();
        late = late.or_else(|| Some(rig.connect(&[KITCHEN])));
    }
    drop(held);
    rig.settle();
    assert!(late.is_some());
    let told: Vec<_> = rig
        .core()
        .reports()
        .iter()
        .map(|report| (report.watch, report.reach.matched))
        .collect();
    assert_eq!(told, [(1, 1), (2, 2)]);
}
