//! Which texts are heartbeats, and what answers them.

use std::fmt::Write;
use std::sync::Arc;

use crate::id::Room;

/// `messages.pong()` of Python, with the positions of a connection's rooms: of characters that need no escape.
pub(super) fn pong(positions: &[(Room, Arc<str>)]) -> String {
    let mut text = String::from(r#"{"type":"pong","positions":{"#);
    for (number, (room, position)) in positions.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, r#"{comma}"{}":"{position}""#, room.branch());
    }
    text.push_str("}}");
    text
}

/// Whether a text is `ping`, or a JSON object with nothing but `"type":"ping"` in any spacing: what client libraries write.
///
/// `messages.is_ping` takes more, such as further members or escapes in the name; those few go to Python, which answers
/// them the same way.
pub(super) fn is_ping(text: &str) -> bool {
    if text == "ping" {
        return true;
    }
    let mut rest = text.trim_matches(is_space);
    for token in ["{", "\"type\"", ":", "\"ping\"", "}"] {
        match rest.strip_prefix(token) {
            Some(after) => rest = after.trim_start_matches(is_space),
            None => return false,
        }
    }
    rest.is_empty()
}

/// The white space of RFC 8259 §2.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_shows_positions_by_branch() {
        let at = |branch, position: &str| (Room::new(1, branch).unwrap(), Arc::from(position));
        assert_eq!(pong(&[]), r#"{"type":"pong","positions":{}}"#);
        assert_eq!(
            pong(&[at(5, "17-0/0123abcd"), at(6, "0-0")]),
            r#"{"type":"pong","positions":{"5":"17-0/0123abcd","6":"0-0"}}"#
        );
    }

    #[test]
    fn takes_what_clients_write_and_nothing_else() {
        for ping in [
            "ping",
            r#"{"type":"ping"}"#,
            " {\t\"type\" :\r\n\"ping\" } ",
        ] {
            assert!(is_ping(ping), "{ping}");
        }
        for other in [
            "",
            "Ping",
            "ping ",
            "{}",
            r#"{"type":"ping""#,
            r#"{"type":"ping"}x"#,
            r#"{"type":"ping","n":1}"#,
            r#"{"type":"pong"}"#,
            "\u{a0}{\"type\":\"ping\"}",
        ] {
            assert!(!is_ping(other), "{other}");
        }
    }
}
