//! The load client's arguments. Each is bounded: a slip of the hand must not become a flood.

use std::ffi::OsString;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::event::MIN_BYTES;

/// What `--help` prints.
pub const HELP: &str = "\
load-client --address 127.0.0.1:PORT (--target PATH | --targets FILE) [options]

Opens WebSocket connections to a server on this machine, checks that every one gets every event once and in order,
and prints JSON lines: joined, reached, taken, report. Commands on standard input: expect N, ping N MS, take, quit.
The end of standard input means quit. Exit status 0: every check held.

  --address A        where the server listens; loopback only
  --target PATH      path and query of the request
  --targets FILE     one of them a line; connection i asks for line i modulo their number
  --connections N    receivers, at most 15000 [1]
  --stalled N        further connections that never read once they are members [0]
  --concurrency N    handshakes under way at once [64]
  --sources N        addresses 127.0.0.2 to 127.0.0.N+1 to connect from; 0 leaves it to the system [0]
  --first N          number of the first event [1]
  --bytes N          size of an event [256]
  --join-seconds S   how long all handshakes together may take [120]
  --seconds S        how long the whole run may take, at most 3600 [600]
";

const MAX_CONNECTIONS: usize = 15_000;
const MAX_SECONDS: u64 = 3_600;

/// The arguments, checked.
#[derive(Debug)]
pub struct Options {
    /// Where the server listens: a loopback address.
    pub address: SocketAddrV4,
    /// Paths with queries, at least one.
    pub targets: Vec<String>,
    /// Connections that read.
    pub connections: usize,
    /// Connections that do not.
    pub stalled: usize,
    /// Handshakes under way at once.
    pub concurrency: usize,
    /// Source addresses; 0 leaves it to the system.
    pub sources: u8,
    /// Number of the first event.
    pub first: u64,
    /// Size of an event in bytes.
    pub bytes: usize,
    /// Limit of all handshakes together.
    pub join_limit: Duration,
    /// Limit of the whole run.
    pub limit: Duration,
}

impl Options {
    /// Read arguments; `Ok(None)` is a call for help.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut parser = Parser::from_args(arguments);
        let mut address = None;
        let mut options = Self {
            address: SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0),
            targets: Vec::new(),
            connections: 1,
            stalled: 0,
            concurrency: 64,
            sources: 0,
            first: 1,
            bytes: 256,
            join_limit: Duration::from_secs(120),
            limit: Duration::from_secs(600),
        };
        while let Some(argument) = parser.next().map_err(text)? {
            match argument {
                Arg::Long("help") => return Ok(None),
                Arg::Long("address") => address = Some(value(&mut parser)?),
                Arg::Long("target") => options.targets.push(value(&mut parser)?),
                Arg::Long("targets") => options
                    .targets
                    .extend(lines(parser.value().map_err(text)?)?),
                Arg::Long("connections") => options.connections = value(&mut parser)?,
                Arg::Long("stalled") => options.stalled = value(&mut parser)?,
                Arg::Long("concurrency") => options.concurrency = value(&mut parser)?,
                Arg::Long("sources") => options.sources = value(&mut parser)?,
                Arg::Long("first") => options.first = value(&mut parser)?,
                Arg::Long("bytes") => options.bytes = value(&mut parser)?,
                Arg::Long("join-seconds") => {
                    options.join_limit = Duration::from_secs(value(&mut parser)?);
                }
                Arg::Long("seconds") => options.limit = Duration::from_secs(value(&mut parser)?),
                other => return Err(other.unexpected().to_string()),
            }
        }
        options.address =
            address.ok_or("--address is missing; expected an address such as 127.0.0.1:8001")?;
        options.check()?;
        Ok(Some(options))
    }

    fn check(&self) -> Result<(), String> {
        let all = self.connections.saturating_add(self.stalled);
        if !self.address.ip().is_loopback() {
            return Err(format!(
                "--address is {}; expected a loopback address: this is no tool to load others",
                self.address
            ));
        }
        if self.targets.is_empty() {
            return Err("there is no path to ask for; say --target or --targets".to_owned());
        }
        if self.connections == 0 || all > MAX_CONNECTIONS {
            return Err(format!(
                "{all} connections were asked for; expected 1 to {MAX_CONNECTIONS}"
            ));
        }
        if self.concurrency == 0 || self.sources > 200 {
            return Err("--concurrency must be at least 1, --sources at most 200".to_owned());
        }
        if !(MIN_BYTES..=65_535).contains(&self.bytes) {
            return Err(format!(
                "--bytes is {}; expected {MIN_BYTES} to 65535",
                self.bytes
            ));
        }
        if self.limit.as_secs() > MAX_SECONDS {
            return Err(format!(
                "--seconds is {}; expected at most {MAX_SECONDS}",
                self.limit.as_secs()
            ));
        }
        Ok(())
    }
}

fn value<T: std::str::FromStr>(parser: &mut Parser) -> Result<T, String>
where
    T::Err: Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
{
    parser.value().map_err(text)?.parse().map_err(text)
}

fn lines(path: OsString) -> Result<Vec<String>, String> {
    let path = PathBuf::from(path);
    let read =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(read
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

#[allow(clippy::needless_pass_by_value)] // the shape that `map_err` wants
fn text(error: lexopt::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_ascii_whitespace().map(OsString::from))
    }

    #[test]
    fn a_call_with_what_is_needed_takes_the_defaults() {
        let options = parse("--address 127.0.0.1:80 --target /ws")
            .unwrap()
            .unwrap();
        assert_eq!(
            (options.connections, options.bytes, options.first),
            (1, 256, 1)
        );
    }

    #[test]
    fn other_machines_and_unbounded_runs_are_refused() {
        for (line, part) in [
            ("--target /", "--address"),
            ("--address 10.0.0.1:80 --target /", "loopback"),
            ("--address 127.0.0.1:80", "--target"),
            (
                "--address 127.0.0.1:80 --target / --connections 15001",
                "15001",
            ),
            (
                "--address 127.0.0.1:80 --target / --connections 0",
                "0 connections",
            ),
            ("--address 127.0.0.1:80 --target / --bytes 10", "--bytes"),
            (
                "--address 127.0.0.1:80 --target / --seconds 99999",
                "--seconds",
            ),
            ("--address 127.0.0.1:80 --target / --fast", "--fast"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
