//! Reactors, everybody who was ever connected, and the clock; rest and time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use fanout_core::clock::Clock;
use fanout_core::core::Core;
use fanout_core::permits::Limits;
use fanout_core::reactor::{Settings, Until};
use fanout_core::sockets::Reactors;

use super::item::Event;
use super::peer::Peer;
use super::script::{Op, Plan};
use super::ward::{Resume, SILENCE, Ward};
use super::{Checked, ensure};

pub const AUDIENCES: [&str; 3] = ["branch:5:kitchen", "branch:5:admin", "sector:9:waiters"];
pub const WALL: f64 = 1_700_000_000.0;
const MONOTONIC: f64 = 1_000.0;

/// Reactors that take longer to come to rest hang.
const REST: Duration = Duration::from_secs(10);

/// Codes that Python closes with.
pub const CODES: [u16; 4] = [1000, 4001, 4003, 1008];

/// An event that the event loop has to pass.
pub struct Ticket {
    pub number: i64,
    pub event: Arc<Event>,
}

pub struct World {
    /// Reactors that stand still while this is there; before the reactors, which could not end otherwise.
    pub held: Option<Vec<Sender<()>>>,
    pub reactors: Reactors,
    pub plan: Plan,
    pub wards: Vec<Ward>,
    pub tickets: VecDeque<Ticket>,
    /// Sockets that never became connections, with the code that they must get.
    pub refused: Vec<(Peer, u16)>,
    /// Audiences of reactors, and how often each is occupied.
    pub occupied: BTreeMap<String, i64>,
    pub now: f64,
    pub events: u64,
    pub messages: u64,
    /// Events of which it was told what became of them.
    pub reported: BTreeSet<u64>,
    /// Events that the reactors may not have passed yet, at most.
    pub unsettled: Vec<Arc<Event>>,
    /// Kinds of what happened.
    pub seen: BTreeSet<&'static str>,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let (broadcasts, bytes, room) = plan.limits;
        let limits = Limits::new(broadcasts, bytes, room).unwrap();
        let settings = Settings {
            reactors: plan.reactors,
            outbox_bytes: plan.outbox_bytes,
            node_outbox_bytes: plan.node_outbox_bytes,
            message_rate: plan.message_rate,
            heartbeat_timeout: SILENCE,
            ..Settings::default()
        };
        let clock = Clock::manual(MONOTONIC, WALL);
        Self {
            held: None,
            reactors: Reactors::start(limits, settings, clock).unwrap(),
            plan,
            wards: Vec::new(),
            tickets: VecDeque::new(),
            refused: Vec::new(),
            occupied: BTreeMap::new(),
            now: 0.0,
            events: 0,
            messages: 0,
            reported: BTreeSet::new(),
            unsettled: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    pub fn core(&self) -> Arc<Core> {
        Arc::clone(self.reactors.core())
    }

    pub fn perform(&mut self, op: Op) -> Checked {
        match op {
            Op::Adopt(spec, early) => self.adopt(spec, early),
            Op::Attach(spec) => self.attach(spec),
            Op::Move(who, spec) => self.move_to(who, spec),
            Op::SetIdentity(who, byte) => self.set_identity(who, byte),
            Op::Close(who, code) => self.close(who, code),
            Op::Say(who, len) => self.say(who, len),
            Op::Beat(who, kind) => self.beat(who, kind),
            Op::Part(who) => self.part(who),
            Op::Garbage(who, bytes) => self.garbage(who, &bytes),
            Op::Violate(who, kind) => self.violate(who, kind),
            Op::CloseFrame(who, code) => self.close_frame(who, code),
            Op::HangUp(who, half) => self.hang_up(who, half),
            Op::Read(who) => self.read(who),
            Op::Drain(who) => self.drain(who),
            Op::DrainAll => self.drain_all(),
            Op::Submit(room, what, size) => self.submit(&[(room, what); 1], size),
            Op::Batch(events, size) => self.submit(&events, size),
            Op::Send(who, len) => self.send(who, len),
            Op::Answer(who, len) => self.answer(who, len),
            Op::Advance(step) => self.advance(step),
            Op::Settle => self.settle(),
            Op::Hold => {
                self.hold();
                Ok(())
            }
            Op::Release => {
                self.held = None;
                Ok(())
            }
            Op::Pass(turns) => self.pass(turns),
            Op::Refuse(code) => self.refuse(code),
            Op::BadAdopt(kind) => self.bad_adopt(kind),
            Op::CloseAll => self.close_all(),
            Op::Page(who, what) => self.page(who, what),
        }
    }

    pub fn find(&self, who: u8) -> Option<usize> {
        let count = self.wards.len();
        (count > 0).then(|| usize::from(who) % count)
    }

    // --- time ---

    pub fn advance(&mut self, step: u8) -> Checked {
        self.settle()?;
        let seconds = [0.5, 1.5, 2.0, 30.0, 61.0, 90.0, 0.25, 3.0][usize::from(step % 8)];
        self.now += seconds;
        for at in 0..self.wards.len() {
            let ward = &mut self.wards[at];
            let is_closing =
                !ward.attached && ward.peer.as_ref().is_some_and(|peer| !peer.is_over());
            ward.why.overdue |= is_closing;
            self.look_at_the_time(at);
        }
        self.core().advance(MONOTONIC + self.now, WALL + self.now);
        self.settle()
    }

    pub fn look_at_the_time(&mut self, at: usize) {
        let ward = &mut self.wards[at];
        if ward.peer.is_some() && ward.attached {
            let wall = WALL + self.now;
            ward.why.expired |= ward.identity.expires_at.is_some_and(|when| when <= wall);
            ward.why.silent |= self.now - ward.seen >= SILENCE;
        }
    }

    /// Let the reactors stand still, when all that they were told has been done.
    fn hold(&mut self) {
        if self.held.is_none() {
            self.look_for_slow_ones();
            self.held = Some(self.core().hold());
            self.seen.insert("hold");
            self.resolve();
        }
    }

    /// Let the reactors come to rest, and look at everything.
    pub fn settle(&mut self) -> Checked {
        self.held = None;
        self.look_for_slow_ones();
        ensure!(
            self.core().barrier(Until::Quiet, REST),
            "the reactors do not come to rest"
        );
        self.resolve();
        self.take_notices()?;
        for ward in &mut self.wards {
            ward.received
                .compare(&ward.items, ward.resume != Resume::Live)
                .map_err(|error| format!("client {}: {error}", ward.id))?;
        }
        self.check_books()
    }

    /// The reactors have done all that they were told: what they did is known by who is still there.
    fn resolve(&mut self) {
        let core = self.core();
        self.unsettled.clear();
        for at in 0..self.wards.len() {
            self.look_at_the_time(at);
            let ward = &mut self.wards[at];
            if ward.peer.is_some() {
                let is_attached = ward.attached && core.info(ward.id).is_ok();
                ward.settle(is_attached);
            }
        }
    }

    /// Who may have been closed since all that waited for him, or for all, was too much.
    pub fn look_for_slow_ones(&mut self) {
        let all: u64 = self.wards.iter().map(|ward| ward.owed).sum();
        let node = self.plan.node_outbox_bytes;
        for ward in &mut self.wards {
            // One event that was begun cannot be dropped either.
            let is_full = ward.kept + 72_000 > self.plan.outbox_bytes;
            ward.why.slow |= is_full || node > 0 && all > node;
        }
    }

    pub fn shape(&self) -> u64 {
        let mut codes: Vec<_> = self.wards.iter().filter_map(|ward| ward.told).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut hasher = DefaultHasher::new();
        (&self.seen, codes, self.plan.reactors).hash(&mut hasher);
        hasher.finish()
    }
}
