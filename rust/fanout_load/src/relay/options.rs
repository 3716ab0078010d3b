//! The relay load's arguments.

use std::ffi::OsString;
use std::net::SocketAddrV4;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::relay::member::Seat;

/// What `--help` prints.
pub const HELP: &str = "\
relay-load --redis 127.0.0.1:PORT --members FILE --rooms N [--padding N]

Joins gateways on this machine, then writes events to Redis and checks that every member of a room gets each of the
room's events once, in order and byte for byte. Prints JSON lines: joined, phase. Phases on standard input:
flood WAY WINDOW MS, pace WAY RATE MS, with WAY pubsub or stream. The end of standard input ends it. Exit status 0:
every check held.

  --redis A      where Redis listens; loopback only. RELAY_LOAD_PASSWORD in the environment is its password, if any
  --members F    a line for each client: PORT FIRST LAST PATH, the gateway's port and the branches that it is in
  --rooms N      branches 1 to N of tenant 1 get events in turn; each must have as many members as the others
  --padding N    characters of padding in each event [140]
";

const MAX_MEMBERS: usize = 15_000;

/// The arguments, checked.
#[derive(Debug)]
pub struct Options {
    /// Where Redis listens.
    pub redis: SocketAddrV4,
    /// Its password, if it wants one.
    pub password: Option<String>,
    /// The clients.
    pub seats: Vec<Seat>,
    /// How many rooms there are.
    pub rooms: u64,
    /// How many clients each of them has.
    pub recipients: u64,
    /// Characters of padding in each event.
    pub padding: usize,
}

impl Options {
    /// Read arguments; `Ok(None)` is a call for help.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut parser = Parser::from_args(arguments);
        let (mut redis, mut members, mut rooms, mut padding) = (None, None, None, 140);
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Arg::Long("help") => return Ok(None),
                Arg::Long("redis") => redis = Some(value::<SocketAddrV4>(&mut parser)?),
                Arg::Long("members") => members = Some(value::<PathBuf>(&mut parser)?),
                Arg::Long("rooms") => rooms = Some(value(&mut parser)?),
                Arg::Long("padding") => padding = value(&mut parser)?,
                other => return Err(other.unexpected().to_string()),
            }
        }
        let redis =
            redis.ok_or("--redis is missing; expected an address such as 127.0.0.1:6379")?;
        if !redis.ip().is_loopback() {
            return Err(format!(
                "--redis is {redis}; expected a loopback address: this is no tool to load others"
            ));
        }
        let path = members.ok_or("--members is missing; expected a file")?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let rooms = rooms.ok_or("--rooms is missing; expected a number")?;
        let seats = seats(&text)?;
        Ok(Some(Self {
            redis,
            password: std::env::var("RELAY_LOAD_PASSWORD").ok(),
            recipients: recipients(&seats, rooms)?,
            seats,
            rooms,
            padding,
        }))
    }
}

fn value<T: std::str::FromStr>(parser: &mut Parser) -> Result<T, String>
where
    T::Err: Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
{
    parser
        .value()
        .and_then(|value| value.parse())
        .map_err(|error| error.to_string())
}

fn seats(text: &str) -> Result<Vec<Seat>, String> {
    let seats: Vec<Seat> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(Seat::parse)
        .collect::<Result<_, _>>()?;
    if seats.is_empty() || seats.len() > MAX_MEMBERS {
        return Err(format!(
            "there are {} members; expected 1 to {MAX_MEMBERS}",
            seats.len()
        ));
    }
    Ok(seats)
}

/// How many members each room has: as many as any other, so that deliveries can be counted without asking which.
fn recipients(seats: &[Seat], rooms: u64) -> Result<u64, String> {
    let members = |branch: u64| seats.iter().filter(|seat| seat.has(branch)).count() as u64;
    let first = members(1);
    if first == 0 || (2..=rooms).any(|branch| members(branch) != first) {
        return Err(format!(
            "rooms 1 to {rooms} have unlike numbers of members, or none"
        ));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_room_must_have_as_many_members() {
        let text = "8001 1 2 /a\n8001 3 4 /b\n8002 1 4 /c\n";
        let seats = seats(text).unwrap();
        assert_eq!(recipients(&seats, 4), Ok(2));
        assert!(recipients(&seats, 5).is_err());
        assert!(recipients(&seats[..1], 3).is_err());
    }

    #[test]
    fn other_machines_are_refused_and_what_is_missing_is_named() {
        let parse = |line: &str| Options::parse(line.split_ascii_whitespace().map(OsString::from));
        for (line, part) in [
            ("--redis 10.0.0.1:1 --members x --rooms 1", "loopback"),
            ("--members x --rooms 1", "--redis"),
            ("--redis 127.0.0.1:1 --rooms 1", "--members"),
            ("--fast", "--fast"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
