//! What the orchestration says on standard input, one phase a line.

use std::time::Duration;

/// By which way events come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `PUBLISH` on the room's kitchen channel: best effort.
    PubSub,
    /// `XADD` to the source stream: critical.
    Stream,
}

/// What decides when the next event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as fewer events than this are under way to somebody.
    Window(u64),
    /// So many a second, whatever comes out.
    Rate(u64),
}

/// A number of events, all by one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// By which way.
    pub way: Way,
    /// When.
    pub pace: Pace,
    /// For how long events are written.
    pub duration: Duration,
}

const MAX_MS: u64 = 60_000;

impl Phase {
    /// Read `flood WAY WINDOW MILLISECONDS` or `pace WAY RATE MILLISECONDS`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let read = || {
            let [kind, way, number, ms] = words[..] else {
                return None;
            };
            let number = number.parse().ok().filter(|&number| number > 0)?;
            Some(Self {
                way: match way {
                    "pubsub" => Way::PubSub,
                    "stream" => Way::Stream,
                    _ => return None,
                },
                pace: match kind {
                    "flood" => Pace::Window(number),
                    "pace" => Pace::Rate(number),
                    _ => return None,
                },
                duration: Duration::from_millis(ms.parse().ok().filter(|&ms| ms <= MAX_MS)?),
            })
        };
        read().ok_or_else(|| {
            format!(
                "{line:?} is no phase; expected flood|pace pubsub|stream NUMBER MILLISECONDS, at most {MAX_MS}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read() {
        assert_eq!(
            Phase::parse("flood pubsub 400 2000\n"),
            Ok(Phase {
                way: Way::PubSub,
                pace: Pace::Window(400),
                duration: Duration::from_secs(2)
            })
        );
        assert_eq!(
            Phase::parse("pace stream 5000 100").unwrap().pace,
            Pace::Rate(5_000)
        );
    }

    #[test]
    fn anything_else_is_refused_with_the_words_that_were_said() {
        for line in [
            "",
            "flood",
            "flood udp 1 1",
            "flood pubsub 0 1",
            "pace stream 1 60001",
            "pace stream 1 1 1",
        ] {
            let error = Phase::parse(line).unwrap_err();
            assert!(error.contains(&format!("{line:?}")), "{error}");
        }
    }
}
