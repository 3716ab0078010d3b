//! The opening handshake (RFC 6455 §4) with one fixed nonce, the RFC's own example.
//!
//! A nonce shows that the answer is not a cached one; between two processes of a bench nothing caches, and a fixed one
//! makes the expected answer a constant, so that neither side needs SHA-1.

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The end of a head, request or response.
const END: &[u8] = b"\r\n\r\n";

/// Longest head that is taken.
pub const MAX_HEAD: usize = 16 * 1024;

/// A client's request for `target` (path and query).
#[must_use]
pub fn request(target: &str, host: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// The bare server's answer.
#[must_use]
pub fn response() -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )
    .into_bytes()
}

/// Length of the head at the front of `bytes`; `None` if its end is not there yet.
#[must_use]
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(END.len())
        .position(|window| window == END)
        .map(|at| at + END.len())
}

/// Whether a request's head comes from the load client; the bare server serves nobody else.
#[must_use]
pub fn is_request(head: &[u8]) -> bool {
    header(head, "sec-websocket-key").is_some_and(|key| key == KEY)
}

/// Check the head of a server's response.
///
/// # Errors
/// A sentence that says what was answered instead of an upgrade.
pub fn check_response(head: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(head);
    let status = text.lines().next().unwrap_or_default();
    if status.split_ascii_whitespace().nth(1) != Some("101") {
        return Err(format!(
            "the handshake was answered with {status:?}; expected 101"
        ));
    }
    if header(head, "sec-websocket-accept").is_none_or(|accept| accept != ACCEPT) {
        return Err("Sec-WebSocket-Accept does not match the nonce".to_owned());
    }
    if header(head, "sec-websocket-extensions").is_some() {
        return Err("the server negotiated an extension that was not offered".to_owned());
    }
    Ok(())
}

fn header(head: &[u8], name: &str) -> Option<String> {
    String::from_utf8_lossy(head)
        .lines()
        .skip(1)
        .find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_server_and_the_client_understand_each_other() {
        let asked = request("/ws?x=1", "127.0.0.1:80");
        assert_eq!(head_length(&asked), Some(asked.len()));
        assert_eq!(head_length(&asked[..asked.len() - 1]), None);
        assert!(is_request(&asked));
        assert_eq!(check_response(&response()), Ok(()));
    }

    #[test]
    fn a_refusal_a_wrong_nonce_and_an_extension_are_told_apart() {
        let refused = check_response(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert!(refused.contains("503"), "{refused}");
        let forged = String::from_utf8(response())
            .unwrap()
            .replace("s3pP", "AAAA");
        assert!(
            check_response(forged.as_bytes())
                .unwrap_err()
                .contains("Accept")
        );
        let extended = String::from_utf8(response())
            .unwrap()
            .replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n");
        assert!(
            check_response(extended.as_bytes())
                .unwrap_err()
                .contains("extension")
        );
    }
}
