//! What clients do, and what is said to one of them alone.
#![expect(clippy::unnecessary_wraps, reason = "every operation answers alike")]

use super::Checked;
use super::ward::Ward;
use super::wire::masked;
use super::world::World;

/// Rounds after which a client that reads has read everything, unless the reactors send for ever.
const ROUNDS: usize = 2_000;

impl World {
    pub fn say(&mut self, who: u8, len: u8) -> Checked {
        self.messages += 1;
        let text = format!("m{}{}", self.messages, "y".repeat(usize::from(len)));
        let frame = masked(1, text.as_bytes());
        self.speak(who, |ward| {
            say_frame(ward, &frame, Some(&text), true);
        });
        Ok(())
    }

    /// A heartbeat of any kind: nothing that Python hears of.
    pub fn beat(&mut self, who: u8, kind: u8) -> Checked {
        let (frame, is_rated) = match kind % 4 {
            0 => (masked(1, b"ping"), true),
            1 => (masked(1, br#"{"type":"ping"}"#), true),
            2 => (masked(9, b"are you there"), true),
            _ => (masked(10, b""), false),
        };
        self.speak(who, |ward| {
            ward.owed += 200; // its pong
            ward.kept += 200;
            say_frame(ward, &frame, None, is_rated);
        });
        Ok(())
    }

    /// The first bytes of a message; the others stand before whatever it says next.
    pub fn part(&mut self, who: u8) -> Checked {
        self.messages += 1;
        let text = format!("m{}", self.messages);
        self.speak(who, |ward| {
            let mut frame = masked(1, text.as_bytes());
            let rest = frame.split_off(3);
            if say_frame(ward, &frame, None, true) {
                ward.rest = Some((rest, text.clone()));
            }
        });
        Ok(())
    }

    /// Bytes that may mean anything.
    pub fn garbage(&mut self, who: u8, bytes: &[u8]) -> Checked {
        self.seen.insert("garbage");
        self.speak(who, |ward| {
            ward.why.wild = true;
            say_frame(ward, bytes, None, true);
        });
        Ok(())
    }

    pub fn violate(&mut self, who: u8, kind: u8) -> Checked {
        let (frame, code) = match kind % 6 {
            0 => (b"\x81\x05Hello".to_vec(), 1002), // not masked
            1 => (masked(3, b""), 1002),            // a reserved opcode
            2 => (masked(2, b"bytes"), 1003),       // binary
            3 => (masked(1, b"\xc0\xaf"), 1007),    // not UTF-8
            4 => (b"\x81\xff\0\0\0\0\0\x01\0\x01".to_vec(), 1009), // 65,537 bytes announced
            _ => (masked(8, b"\x03"), 1002),        // half a code
        };
        self.speak(who, |ward| {
            ward.why.violations.insert(code);
            say_frame(ward, &frame, None, true);
        });
        Ok(())
    }

    pub fn close_frame(&mut self, who: u8, code: u8) -> Checked {
        let code = [None, Some(1000_u16), Some(1001), Some(3999)][usize::from(code % 4)];
        let payload = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
        self.seen.insert("close frame");
        self.speak(who, |ward| {
            ward.why
                .closes
                .insert(code.unwrap_or(super::wire::NO_STATUS));
            say_frame(ward, &masked(8, &payload), None, false);
        });
        Ok(())
    }

    pub fn hang_up(&mut self, who: u8, half: u8) -> Checked {
        self.speak(who, |ward| {
            ward.why.hung_up = true;
            if let Some(peer) = &mut ward.peer {
                if half & 1 == 0 {
                    peer.hang_up();
                } else {
                    peer.end_writing();
                }
            }
        });
        Ok(())
    }

    fn speak(&mut self, who: u8, act: impl FnOnce(&mut Ward)) {
        if let Some(at) = self.find(who)
            && self.wards[at]
                .peer
                .as_ref()
                .is_some_and(|peer| !peer.has_hung_up())
        {
            self.wards[at].last_frame = self.now;
            act(&mut self.wards[at]);
        }
    }

    // --- listening ---

    /// Read what has come, and no more.
    pub fn read(&mut self, who: u8) -> Checked {
        match self.find(who) {
            Some(at) => self.read_one(at).map(drop),
            None => Ok(()),
        }
    }

    /// Whether anything came.
    pub fn read_one(&mut self, at: usize) -> Result<bool, String> {
        let ward = &mut self.wards[at];
        let Some(peer) = &mut ward.peer else {
            return Ok(false);
        };
        let was_over = peer.is_over();
        let cut = peer.is_cut();
        let got = peer.read()?;
        let anything = !got.is_empty() || was_over != peer.is_over() || cut != peer.is_cut();
        ward.received.take(got);
        Ok(anything)
    }

    /// Read until nothing more comes: what is owed must all be there.
    pub fn drain(&mut self, who: u8) -> Checked {
        if let Some(at) = self.find(who) {
            for _ in 0..ROUNDS {
                self.settle()?;
                if !self.read_one(at)? {
                    return self.check_drained(at);
                }
            }
            return Err("a client reads, and it never ends".to_owned());
        }
        Ok(())
    }

    pub fn drain_all(&mut self) -> Checked {
        for at in 0..self.wards.len() {
            self.drain(u8::try_from(at).unwrap_or(u8::MAX))?;
        }
        Ok(())
    }

    // --- said to one alone ---

    pub fn send(&mut self, who: u8, len: u8) -> Checked {
        let Some(at) = self.find(who) else {
            return Ok(());
        };
        self.messages += 1;
        let text = format!("s{}{}", self.messages, "z".repeat(usize::from(len) * 16));
        let answer = self.core().send(self.wards[at].id, &text);
        if self.wards[at].peer.is_none() {
            let is_there = self.wards[at].attached;
            super::ensure!(
                answer == (!is_there).then_some(false),
                "sent to the event loop's: {answer:?}"
            );
        } else if self.was_there(at, answer == Some(true))? {
            self.wards[at].owe(text.into(), None);
        }
        Ok(())
    }

    pub fn answer(&mut self, who: u8, len: u8) -> Checked {
        let Some(at) = self.find(who).filter(|at| self.wards[*at].asked) else {
            return Ok(());
        };
        self.messages += 1;
        let text = format!("a{}{}", self.messages, "z".repeat(usize::from(len) * 16));
        let text = (len & 1 == 0).then_some(text);
        let answer = self.core().answer(self.wards[at].id, text.as_deref());
        if self.was_there(at, answer == Some(true))? {
            self.wards[at].asked = false;
            self.seen.insert("answered");
            if let Some(text) = text {
                self.wards[at].owe(text.into(), None);
            }
        }
        Ok(())
    }
}

/// Say a whole frame, after the rest of the last one; whether it could.
fn say_frame(ward: &mut Ward, frame: &[u8], text: Option<&str>, is_rated: bool) -> bool {
    let Some(peer) = &mut ward.peer else {
        return false;
    };
    if let Some((rest, text)) = ward.rest.take()
        && peer.say(&rest)
    {
        ward.said.push_back(text);
    }
    let is_said = peer.say(frame);
    if is_said {
        ward.is_silent = false;
        ward.why.rated += u32::from(is_rated);
        ward.said.extend(text.map(str::to_owned));
    } else {
        ward.why.wild = true; // a part may be said
    }
    is_said
}
