//! Who comes in, by which owner, and who may not.

use std::collections::{BTreeMap, VecDeque};

use fanout_core::checks::RawMembership;
use fanout_core::identity::Identity;
use fanout_core::sockets::Newcomer;

use super::item::RoomKey;
use super::peer::Peer;
use super::received::Received;
use super::script::Spec;
use super::ward::{Memberships, Reasons, Resume, Ward};
use super::wire::masked;
use super::world::{AUDIENCES, CODES, WALL, World};
use super::{Checked, ensure};

impl World {
    pub fn adopt(&mut self, spec: Spec, early: u8) -> Checked {
        let mut ward = self.newcomer(spec);
        let (mut peer, stream) = Peer::pair();
        let mut bytes = Vec::new();
        match early % 4 {
            1 => {
                bytes = masked(1, b"early");
                ward.said.push_back("early".to_owned());
            }
            2 => {
                // The rest of the frame comes by the socket.
                bytes = masked(1, b"early");
                peer.say(&bytes.split_off(4));
                ward.said.push_back("early".to_owned());
            }
            _ => {}
        }
        if !bytes.is_empty() {
            ward.why.rated += 1;
            ward.is_silent = false;
        }
        let first =
            (early & 4 != 0).then(|| format!("{{\"type\":\"welcome\",\"of\":{}}}", ward.id));
        if let Some(first) = &first {
            ward.owe_first(first.as_str().into());
        }
        let is_resuming = early & 8 != 0;
        if is_resuming {
            ward.resume = Resume::Wanting;
        }
        let newcomer = Newcomer {
            stream,
            early: bytes.into(),
            first,
            positions: Vec::new(),
            is_resuming,
        };
        self.core()
            .adopt(ward.id, &ward.memberships, ward.identity.clone(), newcomer)
            .map_err(|error| format!("not adopted: {error}"))?;
        ward.peer = Some(peer);
        self.wards.push(ward);
        self.look_at_the_time(self.wards.len() - 1); // its token may have expired already
        Ok(())
    }

    pub fn attach(&mut self, spec: Spec) -> Checked {
        let ward = self.newcomer(spec);
        let before = self.loop_audiences();
        let told = self
            .core()
            .attach(ward.id, &ward.memberships, ward.identity.clone(), &[])
            .map_err(|error| format!("not attached: {error}"))?;
        self.wards.push(ward);
        self.check_occupancy(&before, &told)
    }

    fn newcomer(&self, spec: Spec) -> Ward {
        let id = i64::try_from(self.wards.len()).unwrap() + 1;
        let tenant = 1 + i64::from(spec.rooms & 1);
        let memberships = memberships(tenant, spec);
        Ward {
            id,
            peer: None,
            stays: self.stays(&memberships, &BTreeMap::new()),
            memberships,
            identity: self.identity(tenant, spec.identity),
            attached: true,
            items: Vec::new(),
            held: Vec::new(),
            held_too_much: false,
            resume: Resume::Live,
            received: Received::default(),
            why: Reasons {
                rate: self.plan.message_rate,
                ..Reasons::default()
            },
            told: None,
            asked: false,
            said: VecDeque::new(),
            rest: None,
            owed: 0,
            kept: 0,
            last_frame: self.now,
            seen: self.now,
            is_silent: true,
        }
    }

    pub fn identity(&self, tenant: i64, byte: u8) -> Identity {
        let soon = f64::from(byte >> 3 & 7);
        Identity {
            tenant,
            keys: [format!("user:{}", byte & 3).into()].into(),
            expires_at: (byte & 4 != 0).then_some(WALL + self.now + 0.5 * soon),
            label: [byte].into(),
            check_every: None,
        }
    }

    pub fn stays(
        &self,
        memberships: &Memberships,
        old: &BTreeMap<(RoomKey, usize), u64>,
    ) -> BTreeMap<(RoomKey, usize), u64> {
        let mut stays = BTreeMap::new();
        for membership in memberships {
            for name in &membership.audiences {
                let audience = AUDIENCES.iter().position(|known| known == name).unwrap();
                let key = (membership.room, audience);
                let since = old.get(&key).copied().unwrap_or(self.events + 1);
                stays.insert(key, since);
            }
        }
        stays
    }

    pub fn refuse(&mut self, code: u8) -> Checked {
        let (peer, stream) = Peer::pair();
        let code = CODES[usize::from(code) % CODES.len()];
        self.core()
            .refuse(stream, code, "")
            .map_err(|error| format!("not refused: {error}"))?;
        self.refused.push((peer, code));
        Ok(())
    }

    /// Somebody who may not come in: nothing changes, and the socket is closed.
    pub fn bad_adopt(&mut self, kind: u8) -> Checked {
        let (mut peer, stream) = Peer::pair();
        let newest = i64::try_from(self.wards.len()).unwrap();
        let in_use = self
            .wards
            .iter()
            .rev()
            .find(|ward| ward.peer.is_none() && ward.attached);
        let (id, tenant) = match (kind % 4, in_use) {
            (0, Some(ward)) => (ward.id, ward.identity.tenant),
            (1, _) => (0, 1),
            (2, _) => (newest + 1, 0),
            _ => (newest + 1, 2), // and a room of tenant 1
        };
        let membership = RawMembership {
            room: (1.max(tenant - 1), 5),
            audiences: vec![AUDIENCES[0]],
        };
        let identity = Identity {
            tenant,
            ..Identity::default()
        };
        let newcomer = Newcomer {
            stream,
            early: Box::default(),
            first: None,
            positions: Vec::new(),
            is_resuming: false,
        };
        let connections = self.core().stats().connections;
        let answer = self.core().adopt(id, &[membership], identity, newcomer);
        ensure!(
            answer.is_err(),
            "adopted, though it may not: {id} of tenant {tenant}"
        );
        ensure!(
            self.core().stats().connections <= connections,
            "a refused one is counted"
        );
        peer.read()?;
        ensure!(peer.ended, "the socket of a refused one was not closed");
        Ok(())
    }
}

/// Rooms and audiences as a spec says them.
pub fn memberships(tenant: i64, spec: Spec) -> Memberships {
    let branches: &[i64] = [&[5][..], &[6], &[5, 6], &[6, 5]][usize::from(spec.rooms >> 1 & 3)];
    let chosen = |bits: u8| -> Vec<&'static str> {
        let all = AUDIENCES.iter().enumerate();
        let mut names: Vec<_> = all
            .filter(|(at, _)| bits >> at & 1 != 0)
            .map(|(_, name)| *name)
            .collect();
        if names.is_empty() {
            names.push(AUDIENCES[0]);
        }
        names
    };
    branches
        .iter()
        .zip([spec.audiences, spec.audiences >> 3])
        .map(|(branch, bits)| RawMembership {
            room: (tenant, *branch),
            audiences: chosen(bits),
        })
        .collect()
}
