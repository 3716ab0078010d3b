//! All connections of a load client on one epoll instance and one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::clock::monotonic_ns;
use crate::command::ClientCommand;
use crate::connection::{Connection, Stage};
use crate::event::EventFormat;
use crate::options::Options;
use crate::tally::Tally;
use crate::{frame, handshake};

const STDIN: Token = Token(usize::MAX);

/// Holds what a socket of the bench ever buffers, so that one read empties it.
const SCRATCH_BYTES: usize = 256 * 1024;

/// So small that a client which does not read is felt by the server within a few events.
const STALLED_BUFFER_BYTES: usize = 4_096;

const PING: &[u8] = br#"{"type":"ping"}"#;

/// Which connections ping, and when the next is due.
#[derive(Debug, Default)]
struct Pinging {
    connections: Vec<usize>,
    step_ns: u64,
    turn: usize,
    due_ns: u64,
}

/// The connections and everything that they need.
pub struct Swarm {
    poll: Poll,
    options: Options,
    host: String,
    format: EventFormat,
    /// A stream is dropped, and so closed, as soon as its connection has ended.
    members: Vec<(Option<TcpStream>, Connection)>,
    opening: usize,
    announced: bool,
    expecting: bool,
    pinging: Pinging,
    tally: Tally,
    scratch: Box<[u8]>,
    began_ns: u64,
}

impl Swarm {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The system gives no epoll instance, or the options' event size is too small.
    pub fn new(options: Options) -> io::Result<Self> {
        let format = EventFormat::new(options.bytes).ok_or_else(|| {
            io::Error::new(
                ErrorKind::InvalidInput,
                "events are smaller than an empty one",
            )
        })?;
        let poll = Poll::new()?;
        // Standard input may be a file or nothing at all: then there are no commands, and the limits end the run.
        let stdin = io::stdin().as_raw_fd();
        let _ = poll
            .registry()
            .register(&mut SourceFd(&stdin), STDIN, Interest::READABLE);
        Ok(Self {
            poll,
            host: options.address.to_string(),
            format,
            members: Vec::with_capacity(options.connections + options.stalled),
            opening: 0,
            announced: false,
            expecting: false,
            pinging: Pinging::default(),
            tally: Tally::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            began_ns: monotonic_ns(),
            options,
        })
    }

    /// Run until `quit`, the end of standard input, or a limit; whether every check held.
    ///
    /// # Errors
    /// The system refuses a socket or a wait; a single connection's failure is no error but a finding.
    pub fn run(mut self) -> io::Result<bool> {
        let mut events = Events::with_capacity(1_024);
        let limit_ns = self.began_ns + nanoseconds(self.options.limit);
        let join_limit_ns = self.began_ns + nanoseconds(self.options.join_limit);
        loop {
            self.open_more()?;
            self.announce();
            let now = monotonic_ns();
            if now >= limit_ns || (!self.announced && now >= join_limit_ns) {
                self.tally
                    .tell("a time limit of the run was reached".to_owned());
                return Ok(self.report(false));
            }
            let mut until_ns = if self.announced {
                limit_ns
            } else {
                join_limit_ns
            };
            if !self.pinging.connections.is_empty() {
                until_ns = until_ns.min(self.pinging.due_ns);
            }
            match self.poll.poll(
                &mut events,
                Some(Duration::from_nanos(until_ns.saturating_sub(now))),
            ) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() == STDIN {
                    if !self.listen() {
                        return Ok(self.report(true));
                    }
                } else {
                    self.look(
                        event.token().0,
                        event.is_writable(),
                        event.is_read_closed() || event.is_error(),
                    );
                }
            }
            self.ping_who_is_due();
        }
    }

    // --- joining ---------------------------------------------------------------------------------------------

    fn open_more(&mut self) -> io::Result<()> {
        let all = self.options.connections + self.options.stalled;
        while self.members.len() < all && self.opening < self.options.concurrency {
            let index = self.members.len();
            // The stalled ones come first, so that they are members before anything is sent.
            let stalls = index < self.options.stalled;
            let began_ns = monotonic_ns();
            let mut stream = TcpStream::from_std(self.connect(index, stalls)?);
            self.poll.registry().register(
                &mut stream,
                Token(index),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            self.members.push((
                Some(stream),
                Connection::new(self.options.first, began_ns, stalls),
            ));
            self.opening += 1;
        }
        Ok(())
    }

    fn connect(&self, index: usize, stalls: bool) -> io::Result<std::net::TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // A reset instead of a farewell: ten thousand sockets in TIME_WAIT would use up the ports of the next run.
        socket.set_linger(Some(Duration::ZERO))?;
        if stalls {
            socket.set_recv_buffer_size(STALLED_BUFFER_BYTES)?;
        }
        if let Some(turn) = index.checked_rem(usize::from(self.options.sources)) {
            let last = u8::try_from(turn + 2).unwrap_or(2); // at most 201, which the options guarantee
            socket.bind(&SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        }
        match socket.connect(&self.options.address.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                Err(error)
            }
            _ => Ok(socket.into()),
        }
    }

    fn announce(&mut self) {
        let all = self.options.connections + self.options.stalled;
        if self.announced || self.tally.joined + self.tally.failed < all {
            return;
        }
        self.announced = true;
        println!(
            "{}",
            json!({
                "event": "joined",
                "ok": self.tally.failed == 0,
                "connections": self.tally.joined,
                "failed": self.tally.failed,
                "seconds": seconds(self.began_ns, monotonic_ns()),
                "summary": self.tally.summary(),
            })
        );
    }

    // --- one connection --------------------------------------------------------------------------------------

    fn look(&mut self, index: usize, writable: bool, ending: bool) {
        let (Some(stream), connection) = &mut self.members[index] else {
            return;
        };
        let before = connection.stage;
        let mut outcome = Ok(());
        if before == Stage::Connecting && writable {
            outcome = ask(
                stream,
                &self.options.targets[index % self.options.targets.len()],
                &self.host,
            );
            connection.stage = Stage::Asked;
        }
        if outcome.is_ok()
            && connection.stage != Stage::Connecting
            && !(connection.stalls && before == Stage::Open)
        {
            outcome = read(
                stream,
                connection,
                &mut self.scratch,
                &self.format,
                &mut self.tally,
                ending,
            );
        }
        let opened = before != Stage::Open && connection.stage == Stage::Open;
        if opened {
            self.opening -= 1;
        }
        if opened && connection.stalls {
            // From here on its bytes stay in the kernel, whatever comes.
            let _ = self.poll.registry().deregister(stream);
        }
        if let Err(why) = outcome {
            self.end(index, why);
        } else if self.tally.outstanding == 0 {
            self.say_reached();
        }
    }

    fn end(&mut self, index: usize, why: String) {
        let (stream, connection) = &mut self.members[index];
        if connection.awaits(self.tally.awaited) {
            self.tally.outstanding -= 1;
        }
        if connection.stage == Stage::Open {
            self.tally.lost += 1;
        } else {
            self.tally.failed += 1;
            self.opening -= 1;
        }
        connection.stage = Stage::Ended;
        *stream = None;
        self.tally.tell(why);
        if self.tally.outstanding == 0 {
            self.say_reached();
        }
    }

    // --- commands --------------------------------------------------------------------------------------------

    /// Take the commands that have come; false means to end.
    fn listen(&mut self) -> bool {
        let mut bytes = [0; 4_096];
        // The orchestration writes whole lines, each in one piece, and far less than this at a time.
        let said = match io::stdin().lock().read(&mut bytes) {
            Ok(0) | Err(_) => return false,
            Ok(length) => String::from_utf8_lossy(&bytes[..length]).into_owned(),
        };
        for line in said.lines() {
            match ClientCommand::parse(line) {
                Ok(ClientCommand::Expect(number)) => self.expect(number),
                Ok(ClientCommand::Ping {
                    connections,
                    every_ms,
                }) => self.ping(connections, every_ms),
                Ok(ClientCommand::Take) => {
                    println!(
                        "{}",
                        json!({"event": "taken", "summary": self.tally.summary()})
                    );
                    self.tally.reset_times();
                }
                Ok(ClientCommand::Quit) => return false,
                Err(error) => println!("{}", json!({"event": "error", "error": error})),
            }
        }
        true
    }

    fn expect(&mut self, number: u64) {
        self.tally.awaited = number;
        self.tally.outstanding = self.count_awaiting();
        self.expecting = true;
        if self.tally.outstanding == 0 {
            self.say_reached();
        }
    }

    fn count_awaiting(&self) -> usize {
        self.members
            .iter()
            .filter(|(_, connection)| connection.awaits(self.tally.awaited))
            .count()
    }

    fn say_reached(&mut self) {
        if !std::mem::take(&mut self.expecting) {
            return;
        }
        println!(
            "{}",
            json!({"event": "reached", "number": self.tally.awaited, "ok": self.tally.is_clean()})
        );
    }

    // --- heartbeats ------------------------------------------------------------------------------------------

    fn ping(&mut self, connections: usize, every_ms: u64) {
        let open = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, (_, member))| !member.stalls && member.stage == Stage::Open);
        let chosen: Vec<usize> = open.map(|(index, _)| index).take(connections).collect();
        let count = u64::try_from(chosen.len()).unwrap_or(u64::MAX).max(1);
        let step_ns = (every_ms.saturating_mul(1_000_000) / count).max(1_000);
        self.pinging = Pinging {
            connections: chosen,
            step_ns,
            turn: 0,
            due_ns: monotonic_ns(),
        };
    }

    fn ping_who_is_due(&mut self) {
        while !self.pinging.connections.is_empty() && monotonic_ns() >= self.pinging.due_ns {
            let index = self.pinging.connections[self.pinging.turn];
            self.pinging.turn = (self.pinging.turn + 1) % self.pinging.connections.len();
            self.pinging.due_ns += self.pinging.step_ns;
            let (Some(stream), connection) = &mut self.members[index] else {
                continue;
            };
            // One whose answer is overdue is not asked again: it will be timed in full, and counted if it never comes.
            if connection.pinged_ns != 0 {
                continue;
            }
            connection.pinged_ns = monotonic_ns();
            self.tally.pings += 1;
            if let Err(error) = stream.write_all(&frame::write_masked(frame::TEXT, PING)) {
                self.end(index, format!("a ping could not be sent: {error}"));
            }
        }
    }

    // --- the end ---------------------------------------------------------------------------------------------

    fn report(&self, in_time: bool) -> bool {
        let short = self.count_awaiting();
        let ok = in_time && self.announced && short == 0 && self.tally.is_clean();
        println!(
            "{}",
            json!({
                "event": "report",
                "ok": ok,
                "short": short,
                "seconds": seconds(self.began_ns, monotonic_ns()),
                "summary": self.tally.summary(),
            })
        );
        ok
    }
}

fn ask(stream: &mut TcpStream, target: &str, host: &str) -> Result<(), String> {
    if let Ok(Some(error)) | Err(error) = stream.take_error() {
        return Err(format!("the connect failed: {error}"));
    }
    // A fresh socket's buffer holds far more than a request.
    stream
        .write_all(&handshake::request(target, host))
        .map_err(|error| format!("the request failed: {error}"))
}

fn read(
    stream: &mut TcpStream,
    connection: &mut Connection,
    scratch: &mut [u8],
    format: &EventFormat,
    tally: &mut Tally,
    ending: bool,
) -> Result<(), String> {
    loop {
        match stream.read(scratch) {
            Ok(0) => return Err("the server ended the connection without a close frame".to_owned()),
            Ok(length) => {
                connection.feed(&scratch[..length], monotonic_ns(), format, tally)?;
                if connection.stalls && connection.stage == Stage::Open {
                    return Ok(());
                }
                // epoll(7): less than was asked for means that the socket is empty, and a new edge will come; unless
                // the edge that brought us here was the last one, and stood for these bytes and the end together.
                if length < scratch.len() && !ending {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("the connection broke: {error}")),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

// A run takes an hour at most: far below 2^52 ns.
#[allow(clippy::cast_precision_loss)]
fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e9
}
