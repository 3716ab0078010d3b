//! The decoder fed in reads, as a reactor feeds it.

use fanout_core::frame::{Decoder, Event, Unread};

use crate::reference::Known;

/// What a decoder may own beside the message: its own state, and a control frame.
const OVERHEAD: usize = 600;

/// Whether the decoder, fed with reads of the sizes that `size` gives, finds exactly what is `known`: the same events,
/// each in the read that brings its last byte, and each taking from the read exactly what is its own.
///
/// `stop` says whether to put the rest of a read aside after an event and to feed a copy of it, as when a message waits
/// for its answer.
pub fn compare(
    stream: &[u8],
    limit: usize,
    known: &[Known],
    mut size: impl FnMut() -> usize,
    mut stop: impl FnMut() -> bool,
) -> Result<(), String> {
    let mut decoder = Decoder::new();
    let mut expected = known.iter();
    let (mut at, mut ended) = (0, false);
    while at < stream.len() {
        let end = stream.len().min(at + size().max(1));
        let mut read = stream[at..end].to_vec();
        let mut unread = Unread::new(&mut read);
        loop {
            let next = expected
                .as_slice()
                .first()
                .filter(|(offset, _)| *offset <= end);
            let found = decoder
                .next(&mut unread, limit)
                .map(|event| event.map(Event::into_owned));
            let found = found.transpose();
            if found.as_ref() != next.map(|(_, known)| known) {
                return Err(format!(
                    "in read {at}..{end}: found {found:?}, expected {next:?}"
                ));
            }
            let Some((offset, known)) = next else {
                break;
            };
            expected.next();
            if known.is_ok() && end - unread.rest().len() != *offset {
                return Err(format!(
                    "{known:?} ended at {}, expected {offset}",
                    end - unread.rest().len()
                ));
            }
            ended = known
                .as_ref()
                .map_or(true, |event| matches!(event, Event::Close { .. }));
            if !ended && unread.rest() != &stream[*offset..end] {
                return Err(format!("what follows {known:?} was changed"));
            }
            if matches!(known, Ok(Event::Text(_) | Event::Binary(_))) && decoder.memory() > 0 {
                return Err(format!(
                    "{} bytes of memory between messages",
                    decoder.memory()
                ));
            }
            if known.is_ok() && stop() {
                read = unread.rest().to_vec();
                unread = Unread::new(&mut read);
            }
        }
        if !unread.rest().is_empty() && !ended {
            return Err(format!(
                "in read {at}..{end}: {} bytes were left",
                unread.rest().len()
            ));
        }
        if decoder.memory() > limit.min(stream.len() * 2) + OVERHEAD {
            return Err(format!(
                "{} bytes of memory, limit {limit}",
                decoder.memory()
            ));
        }
        at = end;
    }
    if decoder.has_ended() != ended {
        return Err(format!("ended: {}, expected {ended}", decoder.has_ended()));
    }
    if ended && decoder.memory() > 0 {
        return Err(format!(
            "{} bytes of memory after the end",
            decoder.memory()
        ));
    }
    match expected.next() {
        None => Ok(()),
        Some(known) => Err(format!("never found {known:?}")),
    }
}
