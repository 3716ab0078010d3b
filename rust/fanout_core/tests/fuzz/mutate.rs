//! One input made into another.

use super::rng::Rng;

/// Longer inputs find nothing that shorter ones do not, and are slower.
pub const MAX_BYTES: usize = 4096;

/// Numbers at which decoders turn.
const EDGES: [u8; 12] = [
    0, 1, 2, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0xc0, 0xed, 0xfe, 0xff,
];

/// Change `input` a little: one to four steps, each at a random place.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], dictionary: &[Vec<u8>], rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        step(input, other, dictionary, rng);
    }
    input.truncate(MAX_BYTES);
}

fn step(input: &mut Vec<u8>, other: &[u8], dictionary: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.below(input.len() + 1);
    let len = 1 + rng.below(16);
    let end = (at + len).min(input.len());
    match rng.below(8) {
        0 => flip(input, at, 1 << rng.below(8)),
        1 => overwrite(input, at, EDGES[rng.below(EDGES.len())]),
        2 => overwrite(input, at, rng.byte()),
        3 => insert(input, at, &[rng.byte()]),
        4 => drop(input.drain(at..end)),
        5 => {
            // Doubled where it stands, or moved elsewhere.
            let piece = input[at..end].to_vec();
            let to = rng.below(input.len() + 1);
            insert(input, to, &piece);
        }
        6 => {
            let from = rng.below(other.len() + 1);
            let to = from + rng.below(other.len() - from + 1);
            insert(input, at, &other[from..to]);
        }
        _ if !dictionary.is_empty() => insert(input, at, &dictionary[rng.below(dictionary.len())]),
        _ => input.truncate(at),
    }
}

fn flip(input: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= bits;
    }
}

fn overwrite(input: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = value;
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}
