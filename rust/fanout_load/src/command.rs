//! What the orchestration says on standard input, one command a line.

use std::str::SplitAsciiWhitespace;

/// To the load client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCommand {
    /// `expect 640`: print `reached` when every receiver has got event 640, or can get it no more.
    Expect(u64),
    /// `ping 100 1000`: 100 connections send a ping each, spread over 1,000 ms, again and again; `ping 0 1` stops that.
    Ping {
        /// How many connections.
        connections: usize,
        /// Milliseconds between two pings of one connection, at least 1.
        every_ms: u64,
    },
    /// `take`: print the times since the last take, and begin them anew.
    Take,
    /// `quit`: print the report and end.
    Quit,
}

/// To the bare server, and likewise to the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCommand {
    /// `send 64 16 1`: 64 events numbered from 1, 16 at a time.
    Send {
        /// How many events.
        count: u64,
        /// How many of them are handed over together, at least 1.
        burst: u64,
        /// The first one's number.
        first: u64,
    },
    /// `quit`: end.
    Quit,
}

impl ClientCommand {
    /// Read a line.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let command =
            match words.next() {
                Some("expect") => number(&mut words).map(Self::Expect),
                Some("ping") => match (number(&mut words), number(&mut words)) {
                    (Some(connections), Some(every_ms @ 1..)) => usize::try_from(connections)
                        .ok()
                        .map(|connections| Self::Ping {
                            connections,
                            every_ms,
                        }),
                    _ => None,
                },
                Some("take") => Some(Self::Take),
                Some("quit") => Some(Self::Quit),
                _ => None,
            };
        whole(command, &mut words).ok_or_else(|| {
            format!("{line:?} is no command; expected expect N, ping N MS, take or quit")
        })
    }
}

impl ServerCommand {
    /// Read a line.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let command = match words.next() {
            Some("send") => match (number(&mut words), number(&mut words), number(&mut words)) {
                (Some(count), Some(burst @ 1..), Some(first)) => Some(Self::Send {
                    count,
                    burst,
                    first,
                }),
                _ => None,
            },
            Some("quit") => Some(Self::Quit),
            _ => None,
        };
        whole(command, &mut words).ok_or_else(|| {
            format!("{line:?} is no command; expected send COUNT BURST FIRST or quit")
        })
    }
}

fn number(words: &mut SplitAsciiWhitespace<'_>) -> Option<u64> {
    words.next()?.parse().ok()
}

fn whole<T>(command: Option<T>, words: &mut SplitAsciiWhitespace<'_>) -> Option<T> {
    command.filter(|_| words.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(
            ClientCommand::parse("expect 640\n"),
            Ok(ClientCommand::Expect(640))
        );
        assert_eq!(
            ClientCommand::parse("ping 5 100"),
            Ok(ClientCommand::Ping {
                connections: 5,
                every_ms: 100
            })
        );
        assert_eq!(
            ServerCommand::parse("send 64 16 1"),
            Ok(ServerCommand::Send {
                count: 64,
                burst: 16,
                first: 1
            })
        );
    }

    #[test]
    fn anything_else_is_refused_with_the_words_that_were_said() {
        for line in ["", "expect", "expect x", "expect 1 2", "ping 5 0", "go"] {
            assert!(
                ClientCommand::parse(line)
                    .unwrap_err()
                    .contains(&format!("{line:?}"))
            );
        }
        for line in ["send 1 0 1", "send 1 1", "send 1 1 1 1", "take"] {
            assert!(ServerCommand::parse(line).is_err(), "{line}");
        }
    }
}
