//! Mutated streams: the decoder and the reference agree, whatever comes and however it is cut.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use fanout_core::frame::Event;

use crate::feed::compare;
use crate::reference::{self, Known};
use crate::seeds::seeds;

#[path = "../fuzz/engine.rs"]
mod engine;

use engine::{Rng, Verdict};

/// The first byte of an input chooses one.
const LIMITS: [usize; 6] = [65_536, 0, 1, 9, 126, usize::MAX];

#[test]
fn the_decoder_and_the_reference_agree() {
    let dictionary: Vec<_> = seeds().into_iter().map(|(_, stream)| stream).collect();
    engine::fuzz("frame", &dictionary, check);
}

/// To be run by hand after a change of `seeds.rs`.
#[test]
#[ignore = "writes fuzz/corpus/frame"]
fn write_the_seeds() {
    for (name, mut stream) in seeds() {
        stream.insert(0, 0);
        engine::write(&engine::home().join("corpus/frame").join(name), &stream);
    }
}

fn check(input: &[u8]) -> Verdict {
    let Some((choice, stream)) = input.split_first() else {
        return Ok(0);
    };
    let limit = LIMITS[usize::from(*choice) % LIMITS.len()];
    let known = reference::decode(stream, limit);
    let mut rng = Rng::new(hash(&input));
    compare(stream, limit, &known, || usize::MAX, || false)?;
    compare(stream, limit, &known, || 1, || true)?;
    for most in [4, 40] {
        let mut coin = Rng::new(rng.next());
        compare(
            stream,
            limit,
            &known,
            || 1 + rng.below(most),
            || coin.below(2) == 0,
        )?;
    }
    Ok(hash(&shape(&known)))
}

/// The kinds of what was found, without the payloads, each run of equal ones once.
fn shape(known: &[Known]) -> Vec<(u64, bool, bool)> {
    let mut kinds: Vec<_> = known.iter().map(|(_, known)| kind(known)).collect();
    kinds.dedup();
    kinds.truncate(8); // else every longer stream were something new
    kinds
}

fn kind(known: &Result<Event<'_>, fanout_core::frame::Violation>) -> (u64, bool, bool) {
    match known {
        Err(violation) => (hash(&mem::discriminant(violation)), false, false),
        Ok(event) => {
            let (is_empty, is_long) = match event {
                Event::Text(text) => (text.is_empty(), !text.is_ascii()),
                Event::Binary(bytes) => (bytes.is_empty(), bytes.len() > 125),
                Event::Ping(bytes) | Event::Pong(bytes) => (bytes.is_empty(), false),
                Event::Close { code, reason } => (code.is_none(), reason.is_empty()),
                Event::Fragment(_) => (false, false),
            };
            (hash(&mem::discriminant(event)), is_empty, is_long)
        }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
