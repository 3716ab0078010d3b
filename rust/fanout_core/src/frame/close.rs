//! The payload of a close frame: nothing, or a code and a reason.

use std::str;

use super::header::MAX_CONTROL_BYTES;
use super::violation::Violation;

/// What a control frame leaves beside the code, in bytes.
pub const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - 2;

/// Whether a code may stand in a close frame.
///
/// RFC 6455 §7.4 keeps 1004, 1005, 1006 and 1015 out of frames, and leaves 1016 to 2999 undefined. 1012 to 1014
/// (restart, try again later, bad gateway) came later, in IANA's registry of close codes; they are taken: other servers
/// and libraries use them, and to take a code says nothing but that it was understood. Autobahn asks for neither.
#[must_use]
pub fn may_be_received(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Code and reason of a close frame's payload.
///
/// # Errors
/// [`Violation::CloseOneByte`], [`Violation::CloseCode`], [`Violation::BadUtf8`].
pub(super) fn parse(payload: &[u8]) -> Result<(Option<u16>, &str), Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok((None, ""))
        } else {
            Err(Violation::CloseOneByte)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_received(code) {
        return Err(Violation::CloseCode(code));
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::BadUtf8)?;
    Ok((Some(code), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_standard_and_of_the_registry_are_taken_and_no_other() {
        let taken = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
        ];
        for code in 0..=u16::MAX {
            let expected = taken.contains(&code) || (3000..=4999).contains(&code);
            assert_eq!(may_be_received(code), expected, "{code}");
        }
    }

    #[test]
    fn a_payload_is_nothing_or_a_code_and_a_reason() {
        assert_eq!(parse(b""), Ok((None, "")));
        assert_eq!(parse(b"\x03\xe8"), Ok((Some(1000), "")));
        assert_eq!(parse(b"\x0f\xa1bye \xc3\xa9"), Ok((Some(4001), "bye é")));
    }

    #[test]
    fn each_mistake_has_its_violation() {
        for (payload, violation) in [
            (&b"\x03"[..], Violation::CloseOneByte),
            (b"\x00\x00", Violation::CloseCode(0)),
            (b"\x03\xed", Violation::CloseCode(1005)),
            (b"\x03\xe8\xc3", Violation::BadUtf8),
            // A bad code is told before a bad reason.
            (b"\x03\xed\xff", Violation::CloseCode(1005)),
        ] {
            assert_eq!(parse(payload), Err(violation), "{payload:?}");
        }
    }
}
