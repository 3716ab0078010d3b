//! The specification as code: RFC 6455 §5 and RFC 3629 §4 read one byte at a time. Slow, and plain to see through.
//!
//! It shares nothing with the decoder but the types of the answers.

use fanout_core::frame::{Event, Kind, Violation};

/// What became known, and after how many bytes of the stream.
pub type Known = (usize, Result<Event<'static>, Violation>);

/// All that a stream means, up to its close or its first violation.
pub fn decode(stream: &[u8], limit: usize) -> Vec<Known> {
    let mut reader = Reader::default();
    let mut known = vec![];
    for (at, byte) in stream.iter().enumerate() {
        match reader.byte(*byte, limit) {
            Ok(None) => {}
            Ok(Some(event)) => {
                let is_close = matches!(event, Event::Close { .. });
                known.push((at + 1, Ok(event)));
                if is_close {
                    break;
                }
            }
            Err(violation) => {
                known.push((at + 1, Err(violation)));
                break;
            }
        }
    }
    known
}

#[derive(Default)]
struct Reader {
    /// The frame's bytes before its payload.
    header: Vec<u8>,
    /// The frame's payload, unmasked.
    payload: Vec<u8>,
    /// The message's earlier fragments.
    message: Option<(Kind, Vec<u8>)>,
    text: Text,
}

impl Reader {
    fn byte(&mut self, byte: u8, limit: usize) -> Result<Option<Event<'static>>, Violation> {
        if self.header_is_whole() {
            let mask = self.header[self.header.len() - 4 + self.payload.len() % 4];
            self.payload.push(byte ^ mask);
            if self.is_text() {
                self.text.byte(byte ^ mask)?;
            }
        } else {
            self.header.push(byte);
            self.check_header(limit)?;
        }
        if self.header_is_whole() && self.payload.len() as u64 == self.len() {
            return self.frame().map(Some);
        }
        Ok(None)
    }

    fn opcode(&self) -> u8 {
        self.header[0] & 0x0f
    }

    fn is_control(&self) -> bool {
        self.opcode() >= 8
    }

    fn is_text(&self) -> bool {
        match self.opcode() {
            0 => matches!(self.message, Some((Kind::Text, _))),
            opcode => opcode == 1,
        }
    }

    /// Bytes of the length that follow the second byte.
    fn extra(&self) -> usize {
        match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    fn header_is_whole(&self) -> bool {
        self.header.len() >= 2 && self.header.len() == 2 + self.extra() + 4
    }

    fn len(&self) -> u64 {
        match self.extra() {
            0 => u64::from(self.header[1] & 0x7f),
            extra => {
                let field = &self.header[2..2 + extra];
                field
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
            }
        }
    }

    /// The rules for the header, each by the byte that decides it.
    fn check_header(&self, limit: usize) -> Result<(), Violation> {
        if self.header.len() == 1 {
            return self.check_first();
        }
        if self.header.len() == 2 {
            if self.header[1] < 0x80 {
                return Err(Violation::Unmasked);
            }
            if self.is_control() && self.header[1] & 0x7f > 125 {
                return Err(Violation::LongControl);
            }
        }
        if self.header.len() == 2 + self.extra() {
            self.check_len(limit)?;
        }
        Ok(())
    }

    fn check_first(&self) -> Result<(), Violation> {
        let reserved = self.header[0] >> 4 & 7;
        if reserved != 0 {
            return Err(Violation::ReservedBits(reserved));
        }
        match (self.opcode(), &self.message) {
            (0, None) => Err(Violation::NothingToContinue),
            (1 | 2, Some(_)) => Err(Violation::MessageUnfinished),
            (8..=10, _) if self.header[0] < 0x80 => Err(Violation::FragmentedControl),
            (0..=2 | 8..=10, _) => Ok(()),
            (opcode, _) => Err(Violation::ReservedOpcode(opcode)),
        }
    }

    fn check_len(&self, limit: usize) -> Result<(), Violation> {
        let len = self.len();
        match self.extra() {
            2 if len < 126 => return Err(Violation::LengthNotMinimal(len)),
            8 if len >= 1 << 63 => return Err(Violation::LengthTopBit),
            8 if len < 65_536 => return Err(Violation::LengthNotMinimal(len)),
            _ => {}
        }
        let before = self.message.as_ref().map_or(0, |(_, bytes)| bytes.len());
        let bytes = before as u64 + len;
        if !self.is_control() && bytes > limit as u64 {
            return Err(Violation::TooBig { bytes, limit });
        }
        Ok(())
    }

    /// A frame is whole.
    fn frame(&mut self) -> Result<Event<'static>, Violation> {
        let fin = self.header[0] >= 0x80;
        let opcode = self.opcode();
        self.header.clear();
        let payload = std::mem::take(&mut self.payload);
        match opcode {
            8 => return close(&payload),
            9 => return Ok(Event::Ping(payload.into())),
            10 => return Ok(Event::Pong(payload.into())),
            _ => {}
        }
        let (kind, mut bytes) = self.message.take().unwrap_or(match opcode {
            1 => (Kind::Text, vec![]),
            _ => (Kind::Binary, vec![]),
        });
        bytes.extend(payload);
        if !fin {
            self.message = Some((kind, bytes));
            return Ok(Event::Fragment(kind));
        }
        if kind == Kind::Binary {
            return Ok(Event::Binary(bytes.into()));
        }
        self.text.end()?;
        let text = String::from_utf8(bytes).expect("each byte was checked");
        Ok(Event::Text(text.into()))
    }
}

fn close(payload: &[u8]) -> Result<Event<'static>, Violation> {
    let (code, reason) = match payload {
        [] => (None, &payload[..0]),
        [_] => return Err(Violation::CloseOneByte),
        [high, low, reason @ ..] => (Some(u16::from(*high) << 8 | u16::from(*low)), reason),
    };
    if let Some(code) = code {
        let registered = (1000..1015).contains(&code) && ![1004, 1005, 1006].contains(&code);
        if !registered && !(3000..5000).contains(&code) {
            return Err(Violation::CloseCode(code));
        }
    }
    let mut text = Text::default();
    for byte in reason {
        text.byte(*byte)?;
    }
    text.end()?;
    let reason = String::from_utf8(reason.to_vec()).expect("each byte was checked");
    let reason = reason.into();
    Ok(Event::Close { code, reason })
}

/// The bytes that may come next, by the table of RFC 3629 §4; empty where a character may begin.
#[derive(Default)]
struct Text(Vec<(u8, u8)>);

impl Text {
    fn byte(&mut self, byte: u8) -> Result<(), Violation> {
        if let Some((low, high)) = self.0.pop() {
            return if (low..=high).contains(&byte) {
                Ok(())
            } else {
                Err(Violation::BadUtf8)
            };
        }
        let tail = (0x80, 0xbf);
        // Next byte last.
        self.0 = match byte {
            0x00..=0x7f => vec![],
            0xc2..=0xdf => vec![tail],
            0xe0 => vec![tail, (0xa0, 0xbf)],
            0xe1..=0xec | 0xee | 0xef => vec![tail, tail],
            0xed => vec![tail, (0x80, 0x9f)],
            0xf0 => vec![tail, tail, (0x90, 0xbf)],
            0xf1..=0xf3 => vec![tail, tail, tail],
            0xf4 => vec![tail, tail, (0x80, 0x8f)],
            _ => return Err(Violation::BadUtf8),
        };
        Ok(())
    }

    fn end(&self) -> Result<(), Violation> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Violation::BadUtf8)
        }
    }
}
