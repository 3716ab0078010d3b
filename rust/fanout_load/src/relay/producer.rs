//! Writes events to Redis on a thread of its own, and reads the answers.
//!
//! A plain socket and RESP2: a client library would take as much of the two cores as what is measured.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::relay::phase::{Pace, Phase, Way};
use crate::relay::room_event::RoomEvent;

/// Events that are written with one `send`, at most: a pipeline such as a busy back end's.
const CHUNK: u64 = 64;

/// How long to sleep where nothing is to be written yet.
const NAP: Duration = Duration::from_micros(100);

/// How long Redis may take to answer what was written last.
const PATIENCE_NS: u64 = 30_000_000_000;

/// What producer and receivers tell each other.
#[derive(Debug, Default)]
pub struct Progress {
    /// Deliveries since the phase began, written by the receivers.
    pub delivered: AtomicU64,
    /// The receivers have given up.
    pub given_up: AtomicBool,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// Events.
    pub events: u64,
    /// When the first was written.
    pub began_ns: u64,
    /// When the last was.
    pub ended_ns: u64,
}

/// One connection to Redis.
#[derive(Debug)]
pub struct Producer {
    stream: TcpStream,
    rooms: u64,
    recipients: u64,
    padding: usize,
    /// Events since the start, over all phases: event i is for room `i % rooms`.
    sent: u64,
}

impl Producer {
    /// Connect, and show the password if there is one.
    ///
    /// # Errors
    /// Redis is not there, or wants another password.
    pub fn new(
        redis: SocketAddrV4,
        password: Option<&str>,
        rooms: u64,
        recipients: u64,
        padding: usize,
    ) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(redis)?;
        stream.set_nodelay(true)?;
        if let Some(password) = password {
            authenticate(&mut stream, password)?;
        }
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            rooms,
            recipients,
            padding,
            sent: 0,
        })
    }

    /// Write a phase's events; returns when Redis has answered them all.
    ///
    /// # Errors
    /// A sentence: Redis refused one, is gone, or does not answer.
    pub fn run(&mut self, phase: Phase, progress: &Progress) -> Result<Written, String> {
        let began_ns = monotonic_ns();
        let end_ns = began_ns + u64::try_from(phase.duration.as_nanos()).unwrap_or(u64::MAX);
        let mut answers = Answers::new(phase.way);
        let (mut events, mut ended_ns) = (0, began_ns);
        let mut waiting: Vec<u8> = Vec::new();
        loop {
            let now_ns = monotonic_ns();
            let writes = now_ns < end_ns && !progress.given_up.load(Ordering::Relaxed);
            if writes && waiting.is_empty() {
                let due = match phase.pace {
                    Pace::Window(window) => {
                        progress.delivered.load(Ordering::Relaxed) / self.recipients + window
                    }
                    Pace::Rate(rate) => due_at(now_ns - began_ns, rate),
                };
                for _ in 0..due.saturating_sub(events).min(CHUNK) {
                    self.command(phase.way, now_ns, &mut waiting);
                    events += 1;
                    ended_ns = now_ns;
                }
            }
            let moved = self.write(&mut waiting)? | self.read(&mut answers)?;
            if !writes && waiting.is_empty() {
                if answers.seen >= events {
                    return Ok(Written {
                        events,
                        began_ns,
                        ended_ns,
                    });
                }
                if now_ns > end_ns + PATIENCE_NS {
                    return Err(format!(
                        "Redis answered {} of {events} commands",
                        answers.seen
                    ));
                }
            }
            if !moved {
                std::thread::sleep(NAP);
            }
        }
    }

    fn command(&mut self, way: Way, sent_ns: u64, into: &mut Vec<u8>) {
        let event = RoomEvent {
            branch: self.sent % self.rooms + 1,
            number: self.sent / self.rooms,
            sent_ns,
        };
        self.sent += 1;
        let mut payload = Vec::with_capacity(256);
        event.write(self.padding, &mut payload);
        let channel = format!("branch:{}:kitchen", event.branch);
        let words: &[&[u8]] = match way {
            Way::PubSub => &[b"PUBLISH", channel.as_bytes(), &payload],
            Way::Stream => &[b"XADD", b"events:critical", b"*", b"event", &payload],
        };
        encode(words, into);
    }

    /// Whether anything could be written.
    fn write(&mut self, waiting: &mut Vec<u8>) -> Result<bool, String> {
        if waiting.is_empty() {
            return Ok(false);
        }
        match self.stream.write(waiting) {
            Ok(length) => {
                waiting.drain(..length);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(format!("Redis is gone: {error}")),
        }
    }

    /// Whether any answer came.
    fn read(&mut self, answers: &mut Answers) -> Result<bool, String> {
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err("Redis closed the connection".to_owned()),
            Ok(length) => answers.take(&bytes[..length]).map(|()| true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(format!("Redis is gone: {error}")),
        }
    }
}

/// One command, as RESP has it.
fn encode(words: &[&[u8]], into: &mut Vec<u8>) {
    into.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        into.extend(format!("${}\r\n", word.len()).bytes());
        into.extend_from_slice(word);
        into.extend_from_slice(b"\r\n");
    }
}

fn authenticate(stream: &mut TcpStream, password: &str) -> std::io::Result<()> {
    let mut command = Vec::new();
    encode(&[b"AUTH", password.as_bytes()], &mut command);
    stream.write_all(&command)?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    if &answer == b"+OK\r\n" {
        Ok(())
    } else {
        Err(std::io::Error::other("Redis wants another password"))
    }
}

/// How many events are due after some time.
fn due_at(elapsed_ns: u64, rate: u64) -> u64 {
    let due = u128::from(elapsed_ns) * u128::from(rate) / 1_000_000_000;
    u64::try_from(due).unwrap_or(u64::MAX)
}

/// Counts answers by their lines: a number is one, an id with its length is two; an error is neither.
#[derive(Debug)]
struct Answers {
    lines_each: u64,
    lines: u64,
    seen: u64,
    at_start: bool,
}

impl Answers {
    fn new(way: Way) -> Self {
        Self {
            lines_each: match way {
                Way::PubSub => 1,
                Way::Stream => 2,
            },
            lines: 0,
            seen: 0,
            at_start: true,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.at_start && byte == b'-' {
                let words = String::from_utf8_lossy(&bytes[at..]);
                return Err(format!("Redis refused an event: {words:.120}"));
            }
            self.at_start = byte == b'\n';
            self.lines += u64::from(self.at_start);
        }
        self.seen = self.lines / self.lines_each;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_however_they_are_cut_and_an_error_is_told() {
        let mut numbers = Answers::new(Way::PubSub);
        numbers.take(b":1\r\n:1").unwrap();
        numbers.take(b"\r\n").unwrap();
        assert_eq!(numbers.seen, 2);
        let mut ids = Answers::new(Way::Stream);
        ids.take(b"$5\r\n171-0\r\n$5\r\n17").unwrap();
        assert_eq!(ids.seen, 1);
        assert!(ids.take(b"1-1\r\n-OOM no\r\n").unwrap_err().contains("OOM"));
    }

    #[test]
    fn a_pace_is_kept_over_any_time() {
        assert_eq!(due_at(0, 5_000), 0);
        assert_eq!(due_at(200_000, 5_000), 1);
        assert_eq!(due_at(60_000_000_000, 1_000_000), 60_000_000);
    }
}
