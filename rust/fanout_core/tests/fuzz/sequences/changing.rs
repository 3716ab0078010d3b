//! What becomes of a connection: other audiences, another identity, its end.
#![expect(clippy::unnecessary_wraps, reason = "every operation answers alike")]

use fanout_core::core::Occupancy;

use super::coming::memberships;
use super::script::Spec;
use super::world::{CODES, World};
use super::{Checked, ensure};

impl World {
    pub fn move_to(&mut self, who: u8, spec: Spec) -> Checked {
        let Some(at) = self.find(who) else {
            return Ok(());
        };
        let wanted = memberships(self.wards[at].identity.tenant, spec);
        let before = self.loop_audiences();
        let answer = self.core().move_to(self.wards[at].id, &wanted, &[]);
        if !self.was_there(at, answer.is_ok())? {
            return Ok(());
        }
        let stays = self.stays(&wanted, &self.wards[at].stays);
        let is_certain = self.held.is_some();
        let ward = &mut self.wards[at];
        ward.memberships = wanted;
        ward.stays = stays;
        if ward.lose(is_certain) {
            self.seen.insert(if is_certain {
                "move loses"
            } else {
                "move may lose"
            });
        }
        match (answer, &self.wards[at].peer) {
            (Ok(told), None) => self.check_occupancy(&before, &told),
            (Ok(told), Some(_)) => {
                ensure!(
                    told == Occupancy::default(),
                    "a reactor's change goes by the notices"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub fn set_identity(&mut self, who: u8, byte: u8) -> Checked {
        let Some(at) = self.find(who) else {
            return Ok(());
        };
        let identity = self.identity(self.wards[at].identity.tenant, byte);
        let mut foreign = identity.clone();
        foreign.tenant = 3 - foreign.tenant;
        let core = self.core();
        ensure!(
            core.set_identity(self.wards[at].id, foreign).is_err(),
            "a connection changed its tenant"
        );
        let answer = core.set_identity(self.wards[at].id, identity.clone());
        if self.was_there(at, answer.is_ok())? {
            self.wards[at].identity = identity;
            self.look_at_the_time(at);
        }
        Ok(())
    }

    pub fn close(&mut self, who: u8, code: u8) -> Checked {
        let Some(at) = self.find(who) else {
            return Ok(());
        };
        let code = CODES[usize::from(code) % CODES.len()];
        self.close_one(at, code)
    }

    pub fn close_one(&mut self, at: usize, code: u16) -> Checked {
        let id = self.wards[at].id;
        if self.wards[at].peer.is_none() {
            let before = self.loop_audiences();
            let told = self.core().leave(id);
            self.wards[at].attached = false;
            self.wards[at].stays.clear();
            return self.check_occupancy(&before, &told);
        }
        let answer = self.core().close(id, code, "");
        ensure!(
            answer.is_some(),
            "a reactor's connection is taken for the event loop's"
        );
        if !self.was_there(at, answer == Some(true))? {
            return Ok(());
        }
        let is_certain = self.held.is_some();
        let ward = &mut self.wards[at];
        ward.why.by_us = Some(code);
        ward.attached = false;
        ward.stays.clear();
        ward.held.clear();
        if ward.lose(is_certain) {
            self.seen.insert(if is_certain {
                "close loses"
            } else {
                "close may lose"
            });
        }
        Ok(())
    }

    pub fn close_all(&mut self) -> Checked {
        for ward in self
            .wards
            .iter_mut()
            .filter(|ward| ward.peer.is_some() && ward.attached)
        {
            ward.why.close_all = true;
        }
        self.core().close_all(1001);
        self.seen.insert("close all");
        Ok(())
    }

    /// What the core says of whether a connection is there against what is known; whether it was.
    pub fn was_there(&mut self, at: usize, says: bool) -> Result<bool, String> {
        self.look_for_slow_ones();
        let ward = &self.wards[at];
        ensure!(
            !says || ward.attached,
            "{} has left, and is still there",
            ward.id
        );
        ensure!(
            says || !ward.attached || ward.peer.is_some() && ward.why.is_hazard(),
            "{} is gone, and nobody knows why",
            ward.id
        );
        Ok(says)
    }
}
