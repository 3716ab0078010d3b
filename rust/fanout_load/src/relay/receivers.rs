//! All clients on one epoll instance, and the phases that they go through.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;
use socket2::SockRef;

use crate::clock::monotonic_ns;
use crate::frame::{self, CLOSE, TEXT};
use crate::handshake;
use crate::relay::member::{Member, Seat};
use crate::relay::options::Options;
use crate::relay::phase::{Phase, Way};
use crate::relay::producer::{Producer, Progress, Written};
use crate::relay::room_event::RoomEvent;
use crate::sequence::Finding;

/// Handshakes at once: each waits for the gateway, not for a core.
const JOINING: usize = 16;

/// How long one handshake may take, and how long nothing may come while something is owed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Failures that are told in words.
const TOLD: usize = 5;

const SCRATCH_BYTES: usize = 256 * 1024;

struct Client {
    stream: TcpStream,
    member: Member,
    rest: Vec<u8>,
}

/// What one phase found.
struct Findings {
    delivered: u64,
    latency: Histogram<u64>,
    last_ns: u64,
    faults: Vec<String>,
}

impl Findings {
    fn tell(&mut self, fault: String) {
        if self.faults.len() < TOLD {
            self.faults.push(fault);
        }
    }
}

/// The clients, and the producer that they share a process with.
pub struct Receivers {
    poll: Poll,
    clients: Vec<Client>,
    producer: Producer,
    padding: usize,
    recipients: u64,
    scratch: Box<[u8]>,
}

impl Receivers {
    /// Connect to Redis, and join all clients.
    ///
    /// # Errors
    /// Somebody is not there, or refuses.
    pub fn join(options: &Options) -> io::Result<Self> {
        let began_ns = monotonic_ns();
        let producer = Producer::new(
            options.redis,
            options.password.as_deref(),
            options.rooms,
            options.recipients,
            options.padding,
        )?;
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(options.seats.len());
        for (index, (stream, seat)) in shake_all(&options.seats)?.into_iter().enumerate() {
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(index), Interest::READABLE)?;
            clients.push(Client {
                stream,
                member: Member::new(&seat),
                rest: Vec::new(),
            });
        }
        println!(
            "{}",
            json!({"event": "joined", "clients": clients.len(), "seconds": seconds(monotonic_ns() - began_ns)})
        );
        Ok(Self {
            poll,
            clients,
            producer,
            padding: options.padding,
            recipients: options.recipients,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        })
    }

    /// Go through the phases that standard input asks for; whether every check held.
    ///
    /// # Errors
    /// The system refuses a wait, or standard input cannot be read.
    pub fn run(mut self) -> io::Result<bool> {
        for line in io::stdin().lock().lines() {
            match Phase::parse(&line?) {
                Ok(phase) => {
                    // After a loss nothing that follows is in order: there is no sense in going on.
                    if !self.phase(phase)? {
                        return Ok(false);
                    }
                }
                Err(error) => println!("{}", json!({"event": "error", "error": error})),
            }
        }
        Ok(true)
    }

    fn phase(&mut self, phase: Phase) -> io::Result<bool> {
        let Self {
            poll,
            clients,
            producer,
            padding,
            recipients,
            scratch,
        } = self;
        let critical = phase.way == Way::Stream;
        let progress = Progress::default();
        let mut events = Events::with_capacity(1_024);
        let mut found = Findings {
            delivered: 0,
            latency: Histogram::new_with_bounds(100, 60_000_000_000, 3)
                .map_err(io::Error::other)?,
            last_ns: monotonic_ns(),
            faults: Vec::new(),
        };
        let written = std::thread::scope(|scope| {
            let mut producing = Some(scope.spawn(|| producer.run(phase, &progress)));
            let mut written: Option<Result<Written, String>> = None;
            loop {
                match poll.poll(&mut events, Some(Duration::from_millis(5))) {
                    Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                    _ => {}
                }
                for event in &events {
                    let client = &mut clients[event.token().0];
                    client.read(scratch, *padding, critical, &mut found);
                    progress.delivered.store(found.delivered, Ordering::Relaxed);
                }
                if producing
                    .as_ref()
                    .is_some_and(std::thread::ScopedJoinHandle::is_finished)
                {
                    let ended = producing.take().map(std::thread::ScopedJoinHandle::join);
                    written = Some(match ended {
                        Some(Ok(written)) => written,
                        _ => Err("the producer panicked".to_owned()),
                    });
                }
                let owed = match &written {
                    Some(Ok(written)) => {
                        (written.events * *recipients).saturating_sub(found.delivered)
                    }
                    Some(Err(_)) => 0,
                    None => 1,
                };
                if owed > 0 && monotonic_ns() - found.last_ns > nanoseconds(PATIENCE) {
                    found.tell(format!("nothing came for {} s", PATIENCE.as_secs()));
                }
                if !found.faults.is_empty() {
                    progress.given_up.store(true, Ordering::Relaxed);
                }
                if written.is_some() && (owed == 0 || !found.faults.is_empty()) {
                    return Ok(written);
                }
            }
        })?;
        Ok(report(written, &found))
    }
}

impl Client {
    fn read(&mut self, scratch: &mut [u8], padding: usize, critical: bool, found: &mut Findings) {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return found.tell("a gateway ended a connection".to_owned()),
                Ok(length) => {
                    self.feed(&scratch[..length], padding, critical, found);
                    if length < scratch.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return found.tell(format!("a connection failed: {error}")),
            }
        }
    }

    fn feed(&mut self, bytes: &[u8], padding: usize, critical: bool, found: &mut Findings) {
        let mut gathered = std::mem::take(&mut self.rest);
        let all = if gathered.is_empty() {
            bytes
        } else {
            gathered.extend_from_slice(bytes);
            &gathered
        };
        found.last_ns = monotonic_ns();
        let mut used = 0;
        loop {
            match frame::read(&all[used..]) {
                Ok(Some(frame)) => {
                    used += frame.size;
                    self.take(&frame, padding, critical, found);
                }
                Ok(None) => break,
                Err(_) => return found.tell("a frame that no gateway may send".to_owned()),
            }
        }
        self.rest = all[used..].to_vec();
    }

    fn take(
        &mut self,
        frame: &frame::Frame<'_>,
        padding: usize,
        critical: bool,
        found: &mut Findings,
    ) {
        if frame.opcode != TEXT {
            if frame.opcode == CLOSE {
                found.tell("a gateway closed a connection".to_owned());
            }
            return;
        }
        let Some(event) = RoomEvent::read(frame.payload, padding, critical) else {
            return found.tell(format!(
                "an unexpected text: {:.120}",
                String::from_utf8_lossy(frame.payload)
            ));
        };
        match self.member.take(event.branch, event.number) {
            Some(Finding::InOrder) => {}
            Some(other) => found.tell(format!(
                "event {} of branch {}: {other:?}",
                event.number, event.branch
            )),
            None => found.tell(format!("an event of branch {}, a stranger's", event.branch)),
        }
        found.delivered += 1;
        found
            .latency
            .saturating_record(found.last_ns.saturating_sub(event.sent_ns));
    }
}

/// Handshakes and welcomes, blocking, some at once.
fn shake_all(seats: &[Seat]) -> io::Result<Vec<(std::net::TcpStream, Seat)>> {
    let share = seats.len().div_ceil(JOINING);
    std::thread::scope(|scope| {
        let threads: Vec<_> = seats
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(shake).collect::<io::Result<Vec<_>>>()))
            .collect();
        let mut joined = Vec::with_capacity(seats.len());
        for thread in threads {
            let part = thread
                .join()
                .map_err(|_| io::Error::other("a handshake panicked"))??;
            joined.extend(part);
        }
        Ok(joined.into_iter().zip(seats.iter().cloned()).collect())
    })
}

fn shake(seat: &Seat) -> io::Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, seat.port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // A reset instead of a farewell: sockets in TIME_WAIT would use up the ports of the next run.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    stream.write_all(&handshake::request(&seat.path, "127.0.0.1"))?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 16_384]);
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..length]);
        let Some(head) = handshake::head_length(&bytes) else {
            continue;
        };
        handshake::check_response(&bytes[..head]).map_err(io::Error::other)?;
        match frame::read(&bytes[head..]) {
            Ok(None) => {}
            Ok(Some(frame)) if frame.payload.starts_with(br#"{"type":"welcome""#) => break,
            _ => return Err(io::Error::other("a gateway did not welcome a client")),
        }
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Print what a phase found; whether every check held.
fn report(written: Option<Result<Written, String>>, found: &Findings) -> bool {
    let mut faults = found.faults.clone();
    let mut line = json!({"event": "phase", "deliveries": found.delivered});
    match written {
        Some(Ok(written)) => {
            line["events"] = written.events.into();
            // Until the last delivery: what is still under way when the last event is written is not forgotten.
            line["seconds"] = seconds(found.last_ns.saturating_sub(written.began_ns)).into();
            line["write_seconds"] = seconds(written.ended_ns - written.began_ns).into();
        }
        Some(Err(error)) => faults.push(error),
        None => faults.push("the producer did not end".to_owned()),
    }
    for (name, quantile) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)] {
        line[name] = (seconds(found.latency.value_at_quantile(quantile)) * 1e3).into();
    }
    line["ok"] = faults.is_empty().into();
    line["faults"] = faults.clone().into();
    println!("{line}");
    faults.is_empty()
}

// Minutes in nanoseconds are far below 2^52.
#[allow(clippy::cast_precision_loss)]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
