//! One client connection without its socket: bytes in, findings into the tally.

use hdrhistogram::Histogram;

use crate::event::EventFormat;
use crate::frame::{self, CLOSE, PING, PONG, TEXT};
use crate::handshake;
use crate::sequence::{Finding, Sequence};
use crate::tally::Tally;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The TCP connection is being made.
    Connecting,
    /// The request is sent; the response is awaited.
    Asked,
    /// Upgraded; the server's welcome is awaited, and until then it may know of no such member.
    Upgraded,
    /// A member.
    Open,
    /// Over.
    Ended,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// How far it has come.
    pub stage: Stage,
    /// When the connect was called, `CLOCK_MONOTONIC` nanoseconds.
    pub began_ns: u64,
    /// When the open ping was sent; 0 when none is open.
    pub pinged_ns: u64,
    /// Whether it is one of those that never read once they are members.
    pub stalls: bool,
    sequence: Sequence,
    rest: Vec<u8>,
}

impl Connection {
    /// A connection whose first event will have the number `first`.
    #[must_use]
    pub fn new(first: u64, began_ns: u64, stalls: bool) -> Self {
        Self {
            stage: Stage::Connecting,
            began_ns,
            pinged_ns: 0,
            stalls,
            sequence: Sequence::starting_at(first),
            rest: Vec::new(),
        }
    }

    /// Whether it reads, is a member, and has not got event `number` yet.
    #[must_use]
    pub fn awaits(&self, number: u64) -> bool {
        !self.stalls && self.stage == Stage::Open && self.sequence.next() <= number
    }

    /// Take what was read at `now_ns`.
    ///
    /// # Errors
    /// A sentence that says why the connection is of no more use.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        now_ns: u64,
        format: &EventFormat,
        tally: &mut Tally,
    ) -> Result<(), String> {
        // The usual case keeps nothing: whole frames, read straight from the shared buffer.
        if self.rest.is_empty() {
            let used = self.consume(bytes, now_ns, format, tally)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            let mut gathered = std::mem::take(&mut self.rest);
            gathered.extend_from_slice(bytes);
            let used = self.consume(&gathered, now_ns, format, tally)?;
            gathered.drain(..used);
            self.rest = gathered;
        }
        Ok(())
    }

    fn consume(
        &mut self,
        bytes: &[u8],
        now_ns: u64,
        format: &EventFormat,
        tally: &mut Tally,
    ) -> Result<usize, String> {
        let mut used = 0;
        if self.stage == Stage::Asked {
            let Some(length) = handshake::head_length(bytes) else {
                return if bytes.len() > handshake::MAX_HEAD {
                    Err("an endless response".to_owned())
                } else {
                    Ok(0)
                };
            };
            handshake::check_response(&bytes[..length])?;
            self.stage = Stage::Upgraded;
            used = length;
        }
        while let Some(frame) = frame::read(&bytes[used..]).map_err(|_| {
            "the server sent a fragmented, compressed, masked or giant frame".to_owned()
        })? {
            used += frame.size;
            match frame.opcode {
                TEXT => self.text(frame.payload, now_ns, format, tally),
                CLOSE => {
                    return Err(format!(
                        "the server closed with {}",
                        close_code(frame.payload)
                    ));
                }
                // A server's own ping may stay unanswered for the seconds that a run takes.
                PING | PONG => {}
                other => return Err(format!("the server sent a frame of opcode {other}")),
            }
        }
        Ok(used)
    }

    fn text(&mut self, text: &[u8], now_ns: u64, format: &EventFormat, tally: &mut Tally) {
        if let Some(event) = format.read(text) {
            record(&mut tally.latency, event.sent_ns, now_ns);
            self.number(event.sequence, tally);
        } else if text.starts_with(br#"{"type":"welcome""#) && self.stage == Stage::Upgraded {
            self.stage = Stage::Open;
            tally.joined += 1;
            record(&mut tally.join, self.began_ns, now_ns);
        } else if text.starts_with(br#"{"type":"pong""#) && self.pinged_ns != 0 {
            tally.pongs += 1;
            record(&mut tally.heartbeat, self.pinged_ns, now_ns);
            self.pinged_ns = 0;
        } else if text.starts_with(br#"{"type":"gap""#) {
            tally.gaps += 1;
        } else {
            tally.malformed += 1;
            tally.tell(format!(
                "an unexpected text: {:.80}",
                String::from_utf8_lossy(text)
            ));
        }
    }

    fn number(&mut self, number: u64, tally: &mut Tally) {
        let awaited = self.awaits(tally.awaited);
        match self.sequence.take(number) {
            Finding::InOrder => tally.events += 1,
            Finding::Missing(count) => {
                tally.events += 1;
                tally.missing += count;
                tally.tell(format!("{count} events before number {number} are missing"));
            }
            Finding::LateOrTwice => {
                tally.late_or_twice += 1;
                tally.tell(format!("event {number} came again, or after its successor"));
            }
        }
        if awaited && !self.awaits(tally.awaited) {
            tally.outstanding -= 1;
        }
    }
}

fn record(times: &mut Histogram<u64>, from_ns: u64, to_ns: u64) {
    times.saturating_record(to_ns.saturating_sub(from_ns));
}

fn close_code(payload: &[u8]) -> String {
    match payload {
        [high, low, ..] => u16::from_be_bytes([*high, *low]).to_string(),
        _ => "no code".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    const FORMAT_BYTES: usize = 256;

    fn open() -> (Connection, EventFormat, Tally) {
        let format = EventFormat::new(FORMAT_BYTES).unwrap();
        let mut tally = Tally::new();
        let mut connection = Connection::new(1, 1_000, false);
        connection.stage = Stage::Asked;
        let mut bytes = handshake::response();
        bytes.extend(frame::write_unmasked(TEXT, br#"{"type":"welcome"}"#));
        connection.feed(&bytes, 6_000, &format, &mut tally).unwrap();
        assert_eq!(
            (connection.stage, tally.joined, tally.join.max() / 100),
            (Stage::Open, 1, 50)
        );
        (connection, format, tally)
    }

    fn event(format: &EventFormat, sequence: u64) -> Vec<u8> {
        frame::write_unmasked(
            TEXT,
            &format.write(Event {
                sequence,
                sent_ns: 10_000,
            }),
        )
    }

    #[test]
    fn events_cut_anywhere_are_counted_once_and_timed() {
        let (mut connection, format, mut tally) = open();
        tally.awaited = 3;
        tally.outstanding = 1;
        let bytes: Vec<u8> = (1..=3).flat_map(|number| event(&format, number)).collect();
        for piece in bytes.chunks(7) {
            connection.feed(piece, 12_000, &format, &mut tally).unwrap();
        }
        assert_eq!(
            (tally.events, tally.outstanding, tally.latency.max() / 100),
            (3, 0, 20)
        );
        assert!(tally.is_clean());
    }

    #[test]
    fn a_lost_a_repeated_and_a_spoilt_event_are_each_found() {
        let (mut connection, format, mut tally) = open();
        connection
            .feed(&event(&format, 2), 0, &format, &mut tally)
            .unwrap();
        connection
            .feed(&event(&format, 2), 0, &format, &mut tally)
            .unwrap();
        let mut spoilt = event(&format, 3);
        spoilt[200] = b'y';
        connection.feed(&spoilt, 0, &format, &mut tally).unwrap();
        assert_eq!(
            (
                tally.missing,
                tally.late_or_twice,
                tally.malformed,
                tally.events
            ),
            (1, 1, 1, 1)
        );
    }

    #[test]
    fn an_announced_gap_is_no_malformed_text_and_not_clean_either() {
        let (mut connection, format, mut tally) = open();
        let gap = frame::write_unmasked(TEXT, br#"{"type":"gap","dropped":3}"#);
        connection.feed(&gap, 0, &format, &mut tally).unwrap();
        assert_eq!(
            (tally.gaps, tally.malformed, tally.is_clean()),
            (1, 0, false)
        );
    }

    #[test]
    fn only_an_asked_for_pong_is_timed() {
        let (mut connection, format, mut tally) = open();
        let pong = frame::write_unmasked(TEXT, br#"{"type":"pong","positions":{}}"#);
        connection.pinged_ns = 1_000;
        connection.feed(&pong, 3_000, &format, &mut tally).unwrap();
        connection.feed(&pong, 9_000, &format, &mut tally).unwrap();
        assert_eq!(
            (tally.pongs, tally.heartbeat.max() / 100, tally.malformed),
            (1, 20, 1)
        );
    }

    #[test]
    fn a_close_says_its_code() {
        let (mut connection, format, mut tally) = open();
        let close = frame::write_unmasked(CLOSE, &1013_u16.to_be_bytes());
        assert!(
            connection
                .feed(&close, 0, &format, &mut tally)
                .unwrap_err()
                .contains("1013")
        );
    }
}
