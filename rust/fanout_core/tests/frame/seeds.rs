//! What the corpus began with: one input for each rule, and for each turn of the code.
//!
//! An input is one byte that chooses the limit, then the stream. Most keys are zero, so that a mutation of a text stays a
//! mutation of that text.

use crate::client::frame;

const PLAIN: [u8; 4] = [0; 4];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

type Seed = (&'static str, Vec<u8>);

/// Names and streams.
pub fn seeds() -> Vec<Seed> {
    [messages(), controls(), headers(), texts()].concat()
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, PLAIN, payload)
}

fn messages() -> Vec<Seed> {
    vec![
        ("hello", frame(0x81, KEY, b"Hello")),
        ("hello-plain", plain(0x81, b"Hello")),
        ("hello-unmasked", b"\x81\x05Hello".to_vec()),
        ("empty-text", plain(0x81, b"")),
        ("empty-binary", plain(0x82, b"")),
        (
            "two-messages",
            [plain(0x81, b"one"), plain(0x82, b"two")].concat(),
        ),
        (
            "fragments",
            [plain(0x01, b"Hel"), plain(0x00, b""), plain(0x80, b"lo")].concat(),
        ),
        (
            "fragments-binary",
            [plain(0x02, b"\xff"), plain(0x80, b"\xfe")].concat(),
        ),
        (
            "fragments-empty",
            [plain(0x01, b""), plain(0x00, b""), plain(0x80, b"")].concat(),
        ),
        (
            "fragments-masked",
            [frame(0x01, KEY, b"Hel"), frame(0x80, [9, 8, 7, 6], b"lo")].concat(),
        ),
        (
            "ping-in-message",
            [plain(0x01, b"a"), plain(0x89, b"p"), plain(0x80, b"b")].concat(),
        ),
        (
            "pong-in-message",
            [plain(0x02, b"a"), plain(0x8a, b""), plain(0x80, b"b")].concat(),
        ),
        (
            "close-in-message",
            [plain(0x01, b"a"), plain(0x88, b"\x03\xe8")].concat(),
        ),
        (
            "text-in-message",
            [plain(0x01, b"a"), plain(0x81, b"b")].concat(),
        ),
        (
            "binary-in-message",
            [plain(0x01, b"a"), plain(0x02, b"b")].concat(),
        ),
        ("continuation-first", plain(0x80, b"a")),
    ]
}

fn controls() -> Vec<Seed> {
    vec![
        ("ping", plain(0x89, b"ping")),
        ("ping-longest", plain(0x89, &[b'p'; 125])),
        ("ping-too-long", plain(0x89, &[b'p'; 126])),
        ("ping-fragment", plain(0x09, b"ping")),
        ("close-empty", plain(0x88, b"")),
        ("close-one-byte", plain(0x88, b"\x03")),
        ("close-1000", plain(0x88, b"\x03\xe8")),
        ("close-reason", plain(0x88, b"\x03\xe8bye \xc3\xa9")),
        ("close-1005", plain(0x88, b"\x03\xed")),
        ("close-1013-reason", plain(0x88, b"\x03\xf5later \xc3\xa9")),
        ("close-1015", plain(0x88, b"\x03\xf7")),
        ("close-1016", plain(0x88, b"\x03\xf8")),
        ("close-4999", plain(0x88, b"\x13\x87")),
        ("close-bad-reason", plain(0x88, b"\x03\xe8\xff")),
        (
            "after-close",
            [plain(0x88, b""), plain(0x81, b"late"), vec![0xff]].concat(),
        ),
    ]
}

fn headers() -> Vec<Seed> {
    vec![
        ("reserved-bit", plain(0xc1, b"a")),
        ("reserved-opcode", plain(0x83, b"a")),
        ("reserved-control", plain(0x8b, b"a")),
        ("length-126", plain(0x81, &[b'a'; 126])),
        (
            "length-126-not-minimal",
            b"\x81\xfe\x00\x7d\0\0\0\0".to_vec(),
        ),
        (
            "length-64-not-minimal",
            b"\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0".to_vec(),
        ),
        (
            "length-64-top-bit",
            b"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
        (
            "length-64-huge",
            b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc".to_vec(),
        ),
        (
            "length-64",
            b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0abc".to_vec(),
        ),
    ]
}

fn texts() -> Vec<Seed> {
    vec![
        ("utf8", plain(0x81, "aé€😀\u{10ffff}".as_bytes())),
        (
            "utf8-cut",
            [
                plain(0x01, b"\xf0\x9f"),
                plain(0x00, b"\x98"),
                plain(0x80, b"\x80"),
            ]
            .concat(),
        ),
        (
            "utf8-cut-short",
            [plain(0x01, b"\xe2\x82"), plain(0x80, b"")].concat(),
        ),
        ("utf8-overlong", plain(0x81, b"\xc0\xaf")),
        ("utf8-surrogate", plain(0x81, b"\xed\xa0\x80")),
        ("utf8-too-high", plain(0x81, b"\xf4\x90\x80\x80")),
        ("header-cut", b"\x81\xfe\x01".to_vec()),
        ("nothing", vec![]),
    ]
}
