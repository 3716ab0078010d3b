//! How fast frames are read and built: `cargo run --release --example frame_speed`.
//!
//! Each line is the median of eleven runs, with the fastest and the slowest; the answer is checked before it is timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use fanout_core::frame::{Decoder, Event, Unread, text_frame, unmask};

const LIMIT: usize = 65_536;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FRAMES: u32 = 900;

fn main() {
    let ascii = "abcdefgh".repeat(8);
    let accents = "caf\u{e9} \u{20ac}\u{1f600}".repeat(4) + &"a".repeat(12);
    report(
        "decode, 64 B text, ASCII, ns a frame",
        1e9 / f64::from(FRAMES),
        decode(&ascii),
    );
    report(
        "decode, 64 B text, accents, ns a frame",
        1e9 / f64::from(FRAMES),
        decode(&accents),
    );
    report("build, 256 B text, ns a frame", 1e9, build());
    report(
        "unmask, 64 KiB, us",
        1e6,
        unmasking(|bytes| unmask(bytes, &mut KEY.clone())),
    );
    report("unmask, 64 KiB, naive loop, us", 1e6, unmasking(naive));
}

/// A read full of masked frames, all of them decoded.
fn decode(text: &str) -> impl FnMut() -> Duration {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).expect("a short text")];
    frame.extend(KEY);
    frame.extend(text.as_bytes());
    unmask(&mut frame[6..], &mut KEY.clone());
    let read = frame.repeat(FRAMES as usize);
    let text = text.to_owned();
    let mut scratch = read.clone();
    move || {
        scratch.copy_from_slice(&read);
        let mut decoder = Decoder::new();
        let mut unread = Unread::new(&mut scratch);
        let mut frames = 0;
        let start = Instant::now();
        while let Some(event) = decoder.next(&mut unread, LIMIT).expect("good frames") {
            assert!(matches!(black_box(event), Event::Text(found) if found.len() == text.len()));
            frames += 1;
        }
        let took = start.elapsed();
        assert_eq!(frames, FRAMES);
        took
    }
}

fn build() -> impl FnMut() -> Duration {
    let payload = [b'a'; 256];
    assert_eq!(text_frame(&payload)[4..], payload);
    move || {
        let rounds = 1000;
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(text_frame(black_box(&payload)));
        }
        start.elapsed() / rounds
    }
}

fn unmasking(unmask: impl Fn(&mut [u8])) -> impl FnMut() -> Duration {
    let mut bytes = vec![7; LIMIT];
    unmask(&mut bytes);
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| *byte == 7 ^ KEY[at % 4])
    );
    move || {
        let rounds = 100;
        let start = Instant::now();
        for _ in 0..rounds {
            unmask(black_box(&mut bytes));
        }
        start.elapsed() / rounds
    }
}

/// What the fast one is compared with. The index goes through a black box, else the compiler makes vectors of this too.
fn naive(bytes: &mut [u8]) {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte ^= KEY[black_box(at) % 4];
    }
}

fn report(what: &str, unit: f64, mut run: impl FnMut() -> Duration) {
    let mut times: Vec<_> = (0..11).map(|_| run().as_secs_f64() * unit).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{what}: {:.2} ({:.2} to {:.2})",
        times[5], times[0], times[10]
    );
}
