//! The XOR of RFC 6455 §5.3.

/// Unmask (or mask: it is the same) a piece of a payload in place.
///
/// `key` is turned on by the piece's length, so that a payload cut anywhere is unmasked by one call per piece.
pub fn unmask(payload: &mut [u8], key: &mut [u8; 4]) {
    let [a, b, c, d] = *key;
    // Eight bytes at a time, in memory order, so it is right on any machine; the compiler makes vectors of the loop.
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(bytes) = <&mut [u8; 8]>::try_from(word) {
            *bytes = (u64::from_ne_bytes(*bytes) ^ wide).to_ne_bytes();
        }
    }
    for (byte, key) in words
        .into_remainder()
        .iter_mut()
        .zip([a, b, c, d].iter().cycle())
    {
        *byte ^= key;
    }
    key.rotate_left(payload.len() % 4);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_cut_gives_what_the_naive_loop_gives(payload: Vec<u8>, key: [u8; 4], cuts in prop::collection::vec(0usize..100, 0..4)) {
            let naive: Vec<u8> = payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let mut fast = payload;
            let mut turned = key;
            let mut rest = &mut fast[..];
            for cut in cuts {
                let (piece, later) = rest.split_at_mut(cut.min(rest.len()));
                unmask(piece, &mut turned);
                rest = later;
            }
            unmask(rest, &mut turned);
            prop_assert_eq!(fast, naive);
        }
    }

    #[test]
    fn every_length_and_every_alignment_is_right() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for start in 0..8 {
            for len in 0..40 {
                let mut memory = [0xa5; 48];
                unmask(&mut memory[start..start + len], &mut key.clone());
                for (at, byte) in memory.iter().enumerate() {
                    let inside = (start..start + len).contains(&at);
                    let mask = if inside { key[(at - start) % 4] } else { 0 };
                    assert_eq!(*byte, 0xa5 ^ mask, "start {start}, length {len}, byte {at}");
                }
            }
        }
    }
}
