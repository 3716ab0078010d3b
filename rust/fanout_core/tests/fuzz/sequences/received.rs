//! What a client got against what it was owed: in order, each once, and a gap for what was dropped.

use super::item::{Event, Item, State};
use super::wire::Got;
use super::{Checked, ensure};

const PONG: &str = r#"{"type":"pong","positions":{"#;
const GAP: &str = r#"{"type":"gap","dropped":"#;

#[derive(Debug, Default)]
pub struct Received {
    /// Read, and not compared yet.
    unchecked: Vec<Got>,
    /// The first item that has not been accounted for.
    next: usize,
    /// Events that gaps stand for since the last item.
    dropped: u64,
    pub gaps: u64,
    pub pongs: u64,
    pub close: Option<u16>,
}

impl Received {
    pub fn take(&mut self, got: Vec<Got>) {
        self.unchecked.extend(got);
    }

    /// Compare what has come. Nothing may be pending. While the client resumes, no pong shows a position.
    pub fn compare(&mut self, items: &[Item], is_resuming: bool) -> Checked {
        for got in std::mem::take(&mut self.unchecked) {
            ensure!(self.close.is_none(), "{got:?} after a close");
            match got {
                Got::Pong => self.pongs += 1,
                Got::Close(code) => self.close = Some(code),
                Got::Text(text) if text.starts_with(PONG) => {
                    self.pongs += 1;
                    ensure!(
                        !is_resuming || text.strip_prefix(PONG) == Some("}}"),
                        "a position, and what it counts is held: {text}"
                    );
                    self.check_positions(&text, items)?;
                }
                Got::Text(text) => match text.strip_prefix(GAP) {
                    Some(count) => {
                        let count: u64 = count.trim_end_matches('}').parse().unwrap_or(0);
                        ensure!(count > 0, "a gap of nothing: {text}");
                        self.dropped += count;
                        self.gaps += 1;
                    }
                    None => self.meet(&text, items)?,
                },
            }
        }
        Ok(())
    }

    /// Everything must have come: what has not is accounted for by gaps.
    pub fn finish(&mut self, items: &[Item]) -> Checked {
        self.skip(items.len(), items)
    }

    /// What a pong's positions count has come before it.
    fn check_positions(&self, pong: &str, items: &[Item]) -> Checked {
        let positions = pong
            .strip_prefix(PONG)
            .and_then(|rest| rest.strip_suffix("}}"))
            .ok_or_else(|| format!("not a pong: {pong}"))?;
        for entry in positions.split_terminator(',') {
            let (branch, number) = position(entry).ok_or_else(|| format!("not a pong: {pong}"))?;
            let is_late = |item: &Item| {
                let counts = |event: &Event| {
                    event.critical && event.room.1 == branch && event.number <= number
                };
                item.state == State::Must && item.event.as_deref().is_some_and(counts)
            };
            ensure!(
                !items[self.next..].iter().any(is_late),
                "a position counts an event that had not come: {pong}"
            );
        }
        Ok(())
    }

    fn meet(&mut self, text: &str, items: &[Item]) -> Checked {
        let is_it = |item: &Item| *item.text == *text;
        let Some(at) = items[self.next..].iter().position(is_it) else {
            let shown = &text[..text.len().min(60)];
            return Err(if items.iter().any(is_it) {
                format!("twice, or out of order: {shown}")
            } else {
                format!("not for this client: {shown}")
            });
        };
        let at = self.next + at;
        ensure!(
            items[at].state != State::Not,
            "passed after the right to it was lost: {:?}",
            items[at].event
        );
        self.skip(at, items)?;
        self.next = at + 1;
        Ok(())
    }

    /// Those up to here did not come.
    fn skip(&mut self, end: usize, items: &[Item]) -> Checked {
        let (mut least, mut most) = (0, 0);
        for item in &items[self.next..end] {
            let is_owed = item.state == State::Must;
            if item.is_best_effort() {
                least += u64::from(is_owed);
                most += u64::from(is_owed || item.state == State::May);
            } else {
                let shown = &item.text[..item.text.len().min(60)];
                ensure!(!is_owed, "never came, and may not be dropped: {shown}");
            }
        }
        let dropped = std::mem::take(&mut self.dropped);
        ensure!(
            (least..=most).contains(&dropped),
            "gaps speak of {dropped} dropped events, and {least} to {most} are missing before item {end}"
        );
        self.next = end;
        Ok(())
    }
}

/// Branch and number of `"5":"17-0/ab"`.
fn position(entry: &str) -> Option<(i64, u64)> {
    let (branch, position) = entry.strip_prefix('"')?.split_once("\":\"")?;
    let number = position.strip_suffix("-0/ab\"")?;
    Some((branch.parse().ok()?, number.parse().ok()?))
}
