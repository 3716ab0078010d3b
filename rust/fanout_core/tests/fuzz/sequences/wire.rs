//! RFC 6455 as a client writes and reads it: a second, slow implementation, so that a mistake of ours is not made twice.

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Pong,
    Close(u16),
}

/// The code of a close frame without one.
pub const NO_STATUS: u16 = 1005;

/// A masked frame of under 64 KiB, final.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x80 | opcode];
    if let Ok(short @ ..126) = u8::try_from(payload.len()) {
        frame.push(0x80 | short);
    } else {
        frame.push(0xfe);
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    frame.extend(key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// The first frame of what a server sent, and its length; None when it is not whole yet.
///
/// # Errors
/// When no server may send it.
pub fn parse(bytes: &[u8]) -> Result<Option<(Got, usize)>, String> {
    let Some((header, len)) = header(bytes) else {
        return Ok(None);
    };
    let Some(payload) = bytes.get(header..header + len) else {
        return Ok(None);
    };
    let got = match bytes[0] {
        0x81 => Got::Text(String::from_utf8(payload.to_vec()).map_err(|error| error.to_string())?),
        0x8a => Got::Pong,
        0x88 => Got::Close(
            payload
                .first_chunk()
                .map_or(NO_STATUS, |code| u16::from_be_bytes(*code)),
        ),
        other => return Err(format!("a server's frame begins with {other:#04x}")),
    };
    Ok(Some((got, header + len)))
}

fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?,
        ),
        len => (2, usize::from(*len)),
    })
}
