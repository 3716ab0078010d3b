//! The kernel's limit: one thread that does nothing but `send()` one prepared buffer to each connection in turn.
//!
//! `bare-server [EVENT_BYTES]` listens on a free port of loopback and prints `ready` with it; then `send COUNT BURST
//! FIRST` and `quit` on standard input, as every server of the bench understands them. With a burst of k the buffer
//! holds k frames: what coalescing can win at best. It ends when standard input ends.
#![forbid(unsafe_code)]

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use fanout_load::clock::{cpu_ns, monotonic_ns};
use fanout_load::command::ServerCommand;
use fanout_load::event::{Event, EventFormat};
use fanout_load::{frame, handshake};
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::json;

/// A client of the bench reads all the time, and asks at once; one that does not must not hang the run.
const PATIENCE: Duration = Duration::from_secs(10);

const WELCOME: &[u8] = br#"{"type":"welcome"}"#;

fn main() -> ExitCode {
    let bytes = std::env::args().nth(1).map_or(Ok(256), |text| text.parse());
    let Some(format) = bytes
        .ok()
        .filter(|&bytes| bytes <= 65_535)
        .and_then(EventFormat::new)
    else {
        eprintln!(
            "bare-server: the argument is no size of an event in bytes; expected such as 256"
        );
        return ExitCode::from(2);
    };
    match serve(&format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(format: &EventFormat) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!(
        "{}",
        json!({"event": "ready", "port": listener.local_addr()?.port(), "pid": std::process::id()})
    );
    let mut connections = Vec::new();
    let stdin = io::stdin();
    loop {
        let mut waiting = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::new(&listener, PollFlags::IN),
        ];
        poll(&mut waiting, None)?;
        let [said, knocked] = waiting.map(|fd| !fd.revents().is_empty());
        if knocked {
            welcome(listener.accept()?.0, &mut connections);
        }
        if said {
            // One command at a time is under way, so nothing stays unseen in the reader's buffer.
            let mut line = String::new();
            if stdin.lock().read_line(&mut line)? == 0 {
                return Ok(());
            }
            match ServerCommand::parse(&line) {
                Ok(ServerCommand::Send {
                    count,
                    burst,
                    first,
                }) => send(&mut connections, format, count, burst, first),
                Ok(ServerCommand::Quit) => return Ok(()),
                Err(error) => println!("{}", json!({"event": "error", "error": error})),
            }
        }
    }
}

/// The handshake, blocking: the clients of the bench send their request at once.
fn welcome(mut stream: TcpStream, connections: &mut Vec<TcpStream>) {
    match shake(&mut stream) {
        Ok(()) => connections.push(stream),
        Err(error) => eprintln!("bare-server: a handshake failed: {error}"),
    }
}

fn shake(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut piece = [0; 4_096];
    while handshake::head_length(&head).is_none() {
        let length = stream.read(&mut piece)?;
        head.extend_from_slice(&piece[..length]);
        if length == 0 || head.len() > handshake::MAX_HEAD {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    if !handshake::is_request(&head) {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "only the load client is served here",
        ));
    }
    let mut answer = handshake::response();
    answer.extend(frame::write_unmasked(frame::TEXT, WELCOME));
    stream.write_all(&answer)
}

// Seconds of a run in nanoseconds are far below 2^52.
#[allow(clippy::cast_precision_loss)]
fn send(
    connections: &mut Vec<TcpStream>,
    format: &EventFormat,
    count: u64,
    burst: u64,
    first: u64,
) {
    let (began, cpu) = (monotonic_ns(), cpu_ns());
    let recipients = connections.len();
    let mut number = first;
    while number < first + count {
        let last = (number + burst).min(first + count);
        let sent_ns = monotonic_ns();
        let buffer: Vec<u8> = (number..last)
            .flat_map(|sequence| {
                frame::write_unmasked(frame::TEXT, &format.write(Event { sequence, sent_ns }))
            })
            .collect();
        // `retain_mut` keeps the order, and drops whoever has gone or has stalled for too long.
        connections.retain_mut(|stream| stream.write_all(&buffer).is_ok());
        number = last;
    }
    println!(
        "{}",
        json!({
            "event": "sent",
            "events": count,
            "recipients": recipients,
            "lost": recipients - connections.len(),
            "seconds": (monotonic_ns() - began) as f64 / 1e9,
            "cpu_seconds": (cpu_ns() - cpu) as f64 / 1e9,
        })
    );
}
