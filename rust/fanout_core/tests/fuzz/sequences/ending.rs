//! How a sequence ends, and what must be left then: nothing.

use std::time::Duration;

use fanout_core::reactor::Until;

use super::script::Ending;
use super::ward::Resume;
use super::wire::Got;
use super::world::World;
use super::{Checked, ensure};

/// Rounds after which clients that read have read everything.
const ROUNDS: usize = 2_000;

impl World {
    /// Let everybody go, and look at what is left; the shape of what was seen.
    pub fn end(mut self) -> Result<u64, String> {
        let ending = self.plan.ending;
        self.let_go()
            .map_err(|error| format!("{error}\nat the end, {ending:?}"))?;
        for at in 0..self.wards.len() {
            self.check_end(at)
                .map_err(|error| format!("client {}: {error}", at + 1))?;
        }
        let core = self.core();
        let (stats, sockets) = (core.stats(), core.socket_stats().unwrap_or_default());
        for (what, left) in [
            ("connections", stats.connections),
            ("rooms", stats.rooms),
            ("broadcasts", stats.broadcasts_in_flight),
            ("bytes in flight", stats.bytes_in_flight),
            ("sockets", sockets.sockets),
            ("bytes in outboxes", sockets.outbox_bytes),
        ] {
            ensure!(
                left == 0,
                "{left} {what} are left when all have gone ({ending:?})"
            );
        }
        ensure!(
            self.occupied.values().all(|count| *count == 0),
            "nobody is in {:?}",
            self.occupied
        );
        Ok(self.shape())
    }

    fn let_go(&mut self) -> Checked {
        match self.plan.ending {
            Ending::Stop => {
                self.held = None;
                self.look_for_slow_ones();
                for ward in self.wards.iter_mut().filter(|ward| ward.peer.is_some()) {
                    ward.why.stopped = true;
                    ward.settle(false);
                }
                self.reactors.stop();
                self.take_notices()?;
            }
            ending => {
                self.settle()?;
                match ending {
                    Ending::HangUp => self.all_hang_up(),
                    Ending::CloseEach => {
                        for at in 0..self.wards.len() {
                            if self.wards[at].peer.is_some() {
                                self.close_one(at, 1000)?;
                            }
                        }
                    }
                    _ => {
                        for ward in &mut self.wards {
                            ward.why.close_all |= ward.peer.is_some() && ward.attached;
                        }
                        self.core().close_all(1001);
                    }
                }
                self.read_to_the_end()?;
            }
        }
        for at in 0..self.wards.len() {
            if self.wards[at].peer.is_none() {
                self.close_one(at, 1000)?;
            }
        }
        self.pass_all()
    }

    fn all_hang_up(&mut self) {
        for ward in &mut self.wards {
            if let Some(peer) = &mut ward.peer {
                ward.why.hung_up = true;
                peer.hang_up();
            }
        }
    }

    fn pass_all(&mut self) -> Checked {
        while !self.tickets.is_empty() {
            self.pass(7)?;
        }
        Ok(())
    }

    /// Every client reads until its socket ends, and hangs up; then the reactors have none left.
    fn read_to_the_end(&mut self) -> Checked {
        for round in 0.. {
            ensure!(round < ROUNDS, "a socket never ends");
            self.settle()?;
            let mut is_over = true;
            for at in 0..self.wards.len() {
                // Nobody notices that a client has hung up before its message is answered.
                self.answer(u8::try_from(at).unwrap(), 1)?;
                self.read_one(at)?;
                let ward = &self.wards[at];
                let peer = ward.peer.as_ref();
                is_over &= peer.is_none_or(|peer| peer.is_over() && ward.told.is_some());
            }
            if is_over {
                break;
            }
        }
        self.settle()?; // which compares what was read last
        for (mut peer, code) in std::mem::take(&mut self.refused) {
            let got = peer.read()?;
            ensure!(
                got == [Got::Close(code)] && peer.ended,
                "a refused one got {got:?}, not {code}"
            );
        }
        for ward in &mut self.wards {
            if let Some(peer) = &mut ward.peer {
                peer.hang_up();
            }
        }
        ensure!(
            self.core().barrier(Until::Empty, Duration::from_secs(10)),
            "sockets are left when all clients have gone"
        );
        self.take_notices()
    }

    /// What one client got in the end.
    fn check_end(&mut self, at: usize) -> Checked {
        let ward = &mut self.wards[at];
        let Some(peer) = &mut ward.peer else {
            return Ok(());
        };
        ensure!(
            ward.told.is_some(),
            "nobody was told of its end: {:?}",
            ward.why
        );
        let rest = peer.read()?; // where the reactors were stopped
        ward.received.take(rest);
        ward.received
            .compare(&ward.items, ward.resume != Resume::Live)?;
        if ward.why.is_lossy(ward.told) {
            return Ok(());
        }
        let close = ward.received.close;
        ensure!(
            close == ward.told,
            "told {:?}, and the client {close:?}",
            ward.told
        );
        ensure!(!peer.is_cut(), "a frame was cut");
        ward.received.finish(&ward.items)
    }
}
