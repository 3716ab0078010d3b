//! Bytes read as settings and operations. Every input means something, and a byte more or less moves little.

/// More operations find nothing that these do not, and are slower.
const MAX_OPS: usize = 200;

/// How the world is set up, and how it ends.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub reactors: usize,
    pub outbox_bytes: u64,
    pub node_outbox_bytes: u64,
    pub message_rate: u32,
    /// Events, bytes, and events of one room that may be under way.
    pub limits: (i64, i64, i64),
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    CloseAll,
    Stop,
    HangUp,
    CloseEach,
}

/// Rooms and audiences as three bytes say them.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub rooms: u8,
    pub audiences: u8,
    pub identity: u8,
}

/// One step. `who` is a number of a connection, taken modulo their count.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Adopt(Spec, u8),
    Attach(Spec),
    Move(u8, Spec),
    SetIdentity(u8, u8),
    Close(u8, u8),
    Say(u8, u8),
    Beat(u8, u8),
    Part(u8),
    Garbage(u8, [u8; 6]),
    Violate(u8, u8),
    CloseFrame(u8, u8),
    HangUp(u8, u8),
    Read(u8),
    Drain(u8),
    DrainAll,
    Submit(u8, u8, u8),
    Batch([(u8, u8); 3], u8),
    Send(u8, u8),
    Answer(u8, u8),
    Advance(u8),
    Settle,
    Hold,
    Release,
    Pass(u8),
    Refuse(u8),
    BadAdopt(u8),
    CloseAll,
    Page(u8, u8),
}

pub struct Script<'a> {
    left: &'a [u8],
    ops: usize,
}

impl<'a> Script<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            left: input,
            ops: 0,
        }
    }

    pub fn plan(&mut self) -> Plan {
        let byte = self.byte();
        let tight = byte & 0x20 != 0;
        Plan {
            reactors: 1 + usize::from(byte & 1),
            outbox_bytes: [1 << 20, 256 << 10, 128 << 10, 32 << 10][usize::from(byte >> 1 & 3)],
            node_outbox_bytes: if byte & 8 != 0 { 384 << 10 } else { 0 },
            message_rate: if byte & 16 != 0 { 5 } else { 0 },
            limits: if tight { (12, 200_000, 7) } else { (0, 0, 0) },
            ending: [
                Ending::CloseAll,
                Ending::Stop,
                Ending::HangUp,
                Ending::CloseEach,
            ][usize::from(byte >> 6)],
        }
    }

    pub fn next(&mut self) -> Option<Op> {
        if self.left.is_empty() || self.ops == MAX_OPS {
            return None;
        }
        self.ops += 1;
        Some(match self.byte() % 32 {
            0 | 1 => Op::Adopt(self.spec(), self.byte()),
            2 => Op::Attach(self.spec()),
            3 => Op::Move(self.byte(), self.spec()),
            4 => Op::SetIdentity(self.byte(), self.byte()),
            5 => Op::Close(self.byte(), self.byte()),
            6 => Op::Say(self.byte(), self.byte()),
            7 => Op::Beat(self.byte(), self.byte()),
            8 => Op::Part(self.byte()),
            9 => Op::Garbage(self.byte(), std::array::from_fn(|_| self.byte())),
            10 => Op::Violate(self.byte(), self.byte()),
            11 => Op::CloseFrame(self.byte(), self.byte()),
            12 => Op::HangUp(self.byte(), self.byte()),
            13 => Op::Read(self.byte()),
            14 => Op::Drain(self.byte()),
            15 => Op::DrainAll,
            16..=18 => Op::Submit(self.byte(), self.byte(), self.byte()),
            19 => Op::Batch(
                std::array::from_fn(|_| (self.byte(), self.byte())),
                self.byte(),
            ),
            20 => Op::Send(self.byte(), self.byte()),
            21 => Op::Answer(self.byte(), self.byte()),
            22 => Op::Advance(self.byte()),
            23 => Op::Settle,
            24 => Op::Hold,
            25 => Op::Release,
            26 => Op::Pass(self.byte()),
            27 => Op::Refuse(self.byte()),
            28 => Op::BadAdopt(self.byte()),
            29 => Op::CloseAll,
            _ => Op::Page(self.byte(), self.byte()),
        })
    }

    fn spec(&mut self) -> Spec {
        Spec {
            rooms: self.byte(),
            audiences: self.byte(),
            identity: self.byte(),
        }
    }

    /// The next byte; 0 when there is none.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.left.split_first() else {
            return 0;
        };
        self.left = rest;
        *first
    }
}
