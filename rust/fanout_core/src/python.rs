//! The extension module `gateway._fanout_core`: converts, lets go of the GIL, calls the core. No logic.
//!
//! What comes in is copied out of Python objects first, then the GIL is let go of (`Python::detach`) for as long as
//! the core's locks may be waited for, then the answer is made into Python objects. So no lock of the core is ever held
//! across a call into Python, and a thread that waits for one stops nobody else.
#![expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands every argument over by value"
)]

use std::net::TcpStream;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::{PyKeyError, PyOSError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::checks::RawMembership;
use crate::clock::Clock;
use crate::core::{Core as Inner, Info, Occupancy, Submission};
use crate::directory::Admission;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::frame::{binary_frame, may_be_received};
use crate::identity::Identity;
use crate::lock::lock;
use crate::measures::Reach;
use crate::notice::{Notice, Said};
use crate::permits::Limits;
use crate::reactor::{MAX_REACTORS, PageEntry, Settings, Until};
use crate::sockets::{Newcomer, Reactors};

/// A Python integer; one that no machine word holds becomes the nearest that does, which is no id, no ticket and over
/// every limit. So it is refused by the same checks as every other number that is out of range.
#[derive(Clone, Copy)]
struct Number(i64);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> Result<Self, PyErr> {
        match object.extract() {
            Ok(number) => Ok(Self(number)),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                Ok(Self(if object.lt(0)? { i64::MIN } else { i64::MAX }))
            }
            Err(error) => Err(error),
        }
    }
}

/// A member of a tuple that is none of the core's business.
struct Unread;

impl FromPyObject<'_, '_> for Unread {
    type Error = PyErr;

    fn extract(_: Borrowed<'_, '_, PyAny>) -> Result<Self, PyErr> {
        Ok(Self)
    }
}

type RoomArg = (Number, Number);
type MembershipArg = (RoomArg, Vec<PyBackedStr>);
type SubmissionArg = (
    RoomArg,
    Vec<PyBackedStr>,
    PyBackedBytes,
    Option<PyBackedStr>,
    Option<f64>,
    Unread,
);
type MeasureAnswer = (&'static str, &'static [u64], Vec<u64>, u64);
type Names = Vec<String>;
type Rooms = Vec<(i64, i64)>;
type OccupancyAnswer = (Names, Names, Rooms, Rooms);
type MembershipAnswer<'py> = ((i64, i64), Bound<'py, PyTuple>);
type IdentityArg = (
    Number,
    Vec<PyBackedStr>,
    Option<f64>,
    PyBackedBytes,
    Option<f64>,
);
type IdentityAnswer<'py> = (
    i64,
    Bound<'py, PyTuple>,
    Option<f64>,
    Bound<'py, PyBytes>,
    Option<f64>,
);
type InfoAnswer<'py> = (i64, IdentityAnswer<'py>, Vec<MembershipAnswer<'py>>);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NoConnection(_) | Error::NoTicket(_) => PyKeyError::new_err(text),
            _ => PyValueError::new_err(text),
        }
    }
}

/// `gateway.fanout.base.FanoutLimits`, by the names of its attributes.
#[derive(FromPyObject)]
struct LimitsArg {
    max_broadcasts: Number,
    max_broadcast_bytes: Number,
    max_room_broadcasts: Number,
    outbox_bytes: Number,
    node_outbox_bytes: Number,
    message_rate: Number,
    max_message_bytes: Number,
    heartbeat_timeout: f64,
}

impl LimitsArg {
    fn permits(&self) -> Result<Limits, Error> {
        Limits::new(
            self.max_broadcasts.0,
            self.max_broadcast_bytes.0,
            self.max_room_broadcasts.0,
        )
    }

    fn settings(&self, reactors: usize, all_messages: bool) -> Result<Settings, Error> {
        fn checked<T: TryFrom<i64>>(name: &'static str, value: Number) -> Result<T, Error> {
            T::try_from(value.0).map_err(|_| Error::NegativeLimit(name, value.0))
        }
        Ok(Settings {
            reactors,
            outbox_bytes: checked("outbox_bytes", self.outbox_bytes)?,
            node_outbox_bytes: checked("node_outbox_bytes", self.node_outbox_bytes)?,
            message_rate: checked("message_rate", self.message_rate)?,
            max_message_bytes: checked("max_message_bytes", self.max_message_bytes)?,
            heartbeat_timeout: self.heartbeat_timeout,
            all_messages,
        })
    }
}

/// The native core; see `gateway.fanout.base.FanoutCore`. Every method may be called from any thread.
#[pyclass(frozen, module = "gateway._fanout_core")]
struct Core {
    inner: Arc<Inner>,
    /// None where the event loop is the only owner.
    reactors: Option<Reactors>,
    /// What reactors stand still for.
    held: Mutex<Vec<Sender<()>>>,
}

#[pymethods]
impl Core {
    /// `clock` is a manual clock's first moment, in monotonic and Unix seconds.
    #[new]
    #[pyo3(signature = (limits, reactors = 0, all_messages = false, clock = None))]
    fn new(
        py: Python<'_>,
        limits: LimitsArg,
        reactors: i64,
        all_messages: bool,
        clock: Option<(f64, f64)>,
    ) -> PyResult<Self> {
        let permits = limits.permits()?;
        let count = usize::try_from(reactors)
            .ok()
            .filter(|count| *count <= MAX_REACTORS)
            .ok_or(Error::Reactors(reactors))?;
        let clock = clock.map_or_else(Clock::system, |(monotonic, wall)| {
            Clock::manual(monotonic, wall)
        });
        if count == 0 {
            let inner = Arc::new(Inner::new(permits, clock));
            return Ok(Self {
                inner,
                reactors: None,
                held: Mutex::default(),
            });
        }
        let settings = limits.settings(count, all_messages)?;
        let reactors = py
            .detach(|| Reactors::start(permits, settings, clock))
            .map_err(|error| PyOSError::new_err(Error::System(error.to_string()).to_string()))?;
        Ok(Self {
            inner: Arc::clone(reactors.core()),
            reactors: Some(reactors),
            held: Mutex::default(),
        })
    }

    fn attach(
        &self,
        py: Python<'_>,
        connection: Number,
        memberships: Vec<MembershipArg>,
        identity: IdentityArg,
        positions: Vec<(Number, PyBackedStr)>,
    ) -> PyResult<OccupancyAnswer> {
        let memberships = raw(memberships);
        let identity = who(identity);
        let positions = by_branch(&positions);
        let occupancy = py.detach(|| {
            self.inner
                .attach(connection.0, &memberships, identity, &positions)
        })?;
        Ok(changed(occupancy))
    }

    fn r#move(
        &self,
        py: Python<'_>,
        connection: Number,
        memberships: Vec<MembershipArg>,
        positions: Vec<(Number, PyBackedStr)>,
    ) -> PyResult<OccupancyAnswer> {
        let memberships = raw(memberships);
        let positions = by_branch(&positions);
        Ok(changed(py.detach(|| {
            self.inner.move_to(connection.0, &memberships, &positions)
        })?))
    }

    fn set_identity(
        &self,
        py: Python<'_>,
        connection: Number,
        identity: IdentityArg,
    ) -> PyResult<()> {
        let identity = who(identity);
        Ok(py.detach(|| self.inner.set_identity(connection.0, identity))?)
    }

    fn leave(&self, py: Python<'_>, connection: Number) -> OccupancyAnswer {
        changed(py.detach(|| self.inner.leave(connection.0)))
    }

    /// `watch` has a number for each item, or none for all.
    fn submit_many(
        &self,
        py: Python<'_>,
        items: Vec<SubmissionArg>,
        watch: Vec<u64>,
    ) -> PyResult<Vec<Option<i64>>> {
        let numbers = watch.into_iter().chain(std::iter::repeat(0));
        let items: Vec<_> = items
            .into_iter()
            .zip(numbers)
            .map(
                |(((tenant, branch), audiences, payload, position, origin, _), watch)| Submission {
                    room: (tenant.0, branch.0),
                    audiences,
                    payload,
                    position,
                    origin,
                    watch,
                },
            )
            .collect();
        let answers = py.detach(|| self.inner.submit_many(&items))?;
        Ok(answers.into_iter().map(number).collect())
    }

    fn announce(
        &self,
        py: Python<'_>,
        room: RoomArg,
        text: &str,
        position: &str,
    ) -> PyResult<Option<i64>> {
        let room = (room.0.0, room.1.0);
        let answer = py.detach(|| self.inner.announce(room, text, position))?;
        Ok(number(answer))
    }

    fn recipients<'py>(&self, py: Python<'py>, ticket: Number) -> PyResult<Bound<'py, PyList>> {
        let found = py.detach(|| self.inner.recipients(ticket.0))?;
        PyList::new(py, found.iter().map(|connection| connection.get()))
    }

    fn still_entitled(&self, py: Python<'_>, ticket: Number, connection: Number) -> PyResult<bool> {
        Ok(py.detach(|| self.inner.still_entitled(ticket.0, connection.0))?)
    }

    /// `reach`: matched, queued, lost; None for an event that was thrown away.
    fn finish(
        &self,
        py: Python<'_>,
        ticket: Number,
        reach: Option<(u32, u32, u32)>,
    ) -> PyResult<()> {
        let reach = reach.map(|(matched, queued, lost)| Reach {
            matched,
            queued,
            lost,
        });
        Ok(py.detach(|| self.inner.finish(ticket.0, reach))?)
    }

    /// Of watched events: number, matched, queued, lost, microseconds.
    fn reports(&self, py: Python<'_>) -> Vec<(u64, u32, u32, u32, u64)> {
        let reports = py.detach(|| self.inner.reports());
        let fields = |report: crate::measures::Report| {
            let Reach {
                matched,
                queued,
                lost,
            } = report.reach;
            (report.watch, matched, queued, lost, report.took)
        };
        reports.into_iter().map(fields).collect()
    }

    /// Name, bounds, counts and sum of each histogram; times in microseconds.
    fn measures(&self, py: Python<'_>) -> Vec<MeasureAnswer> {
        let measures = py.detach(|| self.inner.measures());
        measures
            .into_iter()
            .map(|(name, counted)| (name, counted.bounds, counted.counts, counted.sum))
            .collect()
    }

    fn positions<'py>(
        &self,
        py: Python<'py>,
        connection: Number,
    ) -> Vec<(i64, Bound<'py, PyString>)> {
        let found = py.detach(|| self.inner.positions(connection.0));
        let text = |(branch, position): (i64, Arc<str>)| (branch, PyString::new(py, &position));
        found.into_iter().map(text).collect()
    }

    fn info<'py>(&self, py: Python<'py>, connection: Number) -> PyResult<InfoAnswer<'py>> {
        let info = py.detach(|| self.inner.info(connection.0))?;
        described(py, &info)
    }

    fn count(&self, py: Python<'_>, tenant: Number, key: &str) -> usize {
        py.detach(|| self.inner.count(tenant.0, key))
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        tenant: Option<Number>,
        key: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let tenant = tenant.map(|tenant| tenant.0);
        let found = py.detach(|| self.inner.find(tenant, key));
        PyList::new(py, found.iter().map(|connection| connection.get()))
    }

    fn list<'py>(
        &self,
        py: Python<'py>,
        tenant: Option<Number>,
        cursor: Number,
        limit: Number,
    ) -> PyResult<(Vec<InfoAnswer<'py>>, i64)> {
        let tenant = tenant.map(|tenant| tenant.0);
        let (page, next) = py.detach(|| self.inner.list(tenant, cursor.0, limit.0))?;
        let page = page
            .iter()
            .map(|info| described(py, info))
            .collect::<PyResult<_>>()?;
        Ok((page, next))
    }

    /// Connections, rooms, broadcasts in flight, their bytes, submitted, refused.
    fn stats(&self, py: Python<'_>) -> (u64, u64, u64, u64, u64, u64) {
        let stats = py.detach(|| self.inner.stats());
        (
            stats.connections,
            stats.rooms,
            stats.broadcasts_in_flight,
            stats.bytes_in_flight,
            stats.submitted,
            stats.refused,
        )
    }

    /// Attach a socket: from this call on it is the core's, which closes it whatever happens.
    #[expect(
        clippy::too_many_arguments,
        reason = "what it takes to be a connection, spared a class of its own"
    )]
    fn adopt(
        &self,
        py: Python<'_>,
        connection: Number,
        memberships: Vec<MembershipArg>,
        identity: IdentityArg,
        fd: RawFd,
        early: &[u8],
        first: Option<String>,
        positions: Vec<(Number, PyBackedStr)>,
        resuming: bool,
    ) -> PyResult<()> {
        let newcomer = Newcomer {
            stream: stream(fd),
            early: early.into(),
            first,
            positions: by_branch(&positions),
            is_resuming: resuming,
        };
        let memberships = raw(memberships);
        let identity = who(identity);
        py.detach(|| {
            self.inner
                .adopt(connection.0, &memberships, identity, newcomer)
        })?;
        Ok(())
    }

    /// Close a socket that never becomes a connection; it is the core's from this call on.
    fn refuse(&self, py: Python<'_>, fd: RawFd, code: Number, reason: &str) -> PyResult<()> {
        let stream = stream(fd);
        let code = close_code(code)?;
        Ok(py.detach(|| self.inner.refuse(stream, code, reason))?)
    }

    /// Like `Fanout.send`; None when no reactor owns the connection. So the next ones.
    fn send(&self, py: Python<'_>, connection: Number, text: &str) -> Option<bool> {
        py.detach(|| self.inner.send(connection.0, text))
    }

    fn answer(&self, py: Python<'_>, connection: Number, text: Option<&str>) -> Option<bool> {
        py.detach(|| self.inner.answer(connection.0, text))
    }

    fn answer_binary(&self, py: Python<'_>, connection: Number, payload: &[u8]) -> Option<bool> {
        py.detach(|| self.inner.answer_frame(connection.0, binary_frame(payload)))
    }

    /// The open message is a heartbeat: the reactor answers it.
    fn answer_ping(&self, py: Python<'_>, connection: Number) -> Option<bool> {
        py.detach(|| self.inner.answer_ping(connection.0))
    }

    fn page(
        &self,
        py: Python<'_>,
        connection: Number,
        entries: Vec<(PyBackedBytes, Option<PyBackedStr>)>,
        last: bool,
    ) -> PyResult<Option<bool>> {
        let entry = |(payload, position)| PageEntry { payload, position };
        let entries: Vec<_> = entries.into_iter().map(entry).collect();
        Ok(py.detach(|| self.inner.page(connection.0, &entries, last))?)
    }

    fn close(
        &self,
        py: Python<'_>,
        connection: Number,
        code: Number,
        reason: &str,
    ) -> PyResult<Option<bool>> {
        let code = close_code(code)?;
        Ok(py.detach(|| self.inner.close(connection.0, code, reason)))
    }

    /// Close everybody whom reactors own.
    fn close_all(&self, py: Python<'_>, code: Number) -> PyResult<()> {
        let code = close_code(code)?;
        py.detach(|| self.inner.close_all(code));
        Ok(())
    }

    /// What happened since the last call, in order.
    fn notices<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let notices = py.detach(|| self.inner.notices());
        notices.into_iter().map(|notice| told(py, notice)).collect()
    }

    /// A descriptor that is readable while there are notices; None without reactors.
    fn notice_fd(&self) -> Option<RawFd> {
        self.inner.notice_descriptor()
    }

    /// Move the manual clock.
    fn advance(&self, py: Python<'_>, monotonic: f64, wall: f64) {
        py.detach(|| self.inner.advance(monotonic, wall));
    }

    /// Have all reactors stand still until `release`.
    fn hold(&self, py: Python<'_>) {
        py.detach(|| lock(&self.held).extend(self.inner.hold()));
    }

    fn release(&self) {
        lock(&self.held).clear();
    }

    /// Wait until all reactors are at rest: they have done what they were told, and no socket has anything to say.
    fn settle(&self, py: Python<'_>, timeout: f64) -> bool {
        let timeout = Duration::try_from_secs_f64(timeout).unwrap_or_default();
        py.detach(|| self.inner.barrier(Until::Quiet, timeout))
    }

    /// Have a notice with this number when all that was submitted before is passed; or, if `empty`, when reactors have no
    /// sockets any more.
    fn tell_when(&self, py: Python<'_>, number: u64, empty: bool) {
        let until = if empty { Until::Empty } else { Until::Passed };
        py.detach(|| self.inner.tell_when(until, number));
    }

    /// End the reactors' threads. Connections that are left are cut off.
    fn stop(&self, py: Python<'_>) {
        self.release();
        if let Some(reactors) = &self.reactors {
            py.detach(|| reactors.stop());
        }
    }

    /// So many bytes more, or fewer, wait in the outboxes of the event loop.
    fn charge(&self, delta: i64) {
        if let Some(sockets) = &self.inner.sockets {
            sockets.budget.charge(delta);
        }
    }

    /// Bytes that wait in all outboxes.
    fn outbox_bytes(&self) -> i64 {
        self.inner
            .sockets
            .as_ref()
            .map_or(0, |sockets| sockets.budget.used())
    }

    /// What the reactors counted, by name; None without reactors.
    fn socket_stats<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(stats) = self.inner.socket_stats() else {
            return Ok(None);
        };
        let named = PyDict::new(py);
        for (name, value) in stats.named() {
            named.set_item(name, value)?;
        }
        Ok(Some(named))
    }
}

/// See `gateway.fanout.base.FanoutCore.splice`.
#[pyfunction]
fn splice<'py>(py: Python<'py>, payload: &[u8], position: &str) -> PyResult<Bound<'py, PyBytes>> {
    // The GIL is kept: a copy of some hundred bytes is over sooner than the GIL is let go of.
    let envelope = Envelope::new(payload, position)?;
    PyBytes::new_with(py, envelope.len(), |buffer| {
        envelope.copy_to(buffer);
        Ok(())
    })
}

/// The answer to a submit, see `FanoutCore.submit_many`.
fn number(answer: Admission) -> Option<i64> {
    match answer {
        Admission::Refused => None,
        // Reactors alone pass it, so there is nothing for Python to do.
        Admission::Ticket(_, owners) if !owners.has_event_loop() => Some(0),
        Admission::Nobody => Some(0),
        Admission::Ticket(ticket, _) => Some(ticket.0),
    }
}

fn raw(memberships: Vec<MembershipArg>) -> Vec<RawMembership<PyBackedStr>> {
    memberships
        .into_iter()
        .map(|((tenant, branch), audiences)| RawMembership {
            room: (tenant.0, branch.0),
            audiences,
        })
        .collect()
}

fn who((tenant, keys, expires_at, label, check_every): IdentityArg) -> Identity {
    Identity {
        tenant: tenant.0,
        keys: keys.iter().map(|key| Arc::from(&**key)).collect(),
        expires_at,
        label: (&*label).into(),
        check_every,
    }
}

fn by_branch(positions: &[(Number, PyBackedStr)]) -> Vec<(i64, Arc<str>)> {
    let shared = |(branch, position): &(Number, PyBackedStr)| (branch.0, Arc::from(&**position));
    positions.iter().map(shared).collect()
}

/// Take over a descriptor.
fn stream(fd: RawFd) -> TcpStream {
    // SAFETY: whoever calls `adopt` or `refuse` gives the descriptor away, open and used by nobody else: that is the
    // contract of `DetachableSocket.detach`, and `native_sockets.py` passes on nothing but what it gave.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    TcpStream::from(owned)
}

fn close_code(code: Number) -> Result<u16, Error> {
    u16::try_from(code.0)
        .ok()
        .filter(|code| may_be_received(*code))
        .ok_or(Error::BadCloseCode(code.0))
}

fn told(py: Python<'_>, notice: Notice) -> PyResult<Bound<'_, PyTuple>> {
    match notice {
        Notice::Occupancy(occupancy) => {
            let (occupied, vacated, rooms_occupied, rooms_vacated) = changed(occupancy);
            (
                "occupancy",
                occupied,
                vacated,
                rooms_occupied,
                rooms_vacated,
            )
                .into_pyobject(py)
        }
        Notice::Message(connection, Said::Text(text)) => {
            ("message", connection.get(), &*text).into_pyobject(py)
        }
        Notice::Message(connection, Said::Binary(bytes)) => {
            ("message", connection.get(), PyBytes::new(py, &bytes)).into_pyobject(py)
        }
        Notice::Due(connections) => {
            let ids: Vec<i64> = connections.iter().map(|id| id.get()).collect();
            ("due", ids).into_pyobject(py)
        }
        Notice::Page(connection) => ("page", connection.get()).into_pyobject(py),
        Notice::Reports => ("reports",).into_pyobject(py),
        Notice::Reached(number) => ("reached", number).into_pyobject(py),
        Notice::Closed(connection, code, who) => {
            ("closed", connection.get(), code, who_answer(py, &who)?).into_pyobject(py)
        }
    }
}

fn who_answer<'py>(py: Python<'py>, identity: &Identity) -> PyResult<IdentityAnswer<'py>> {
    Ok((
        identity.tenant,
        PyTuple::new(py, identity.keys.iter().map(|key| &**key))?,
        identity.expires_at,
        PyBytes::new(py, &identity.label),
        identity.check_every,
    ))
}

fn changed(occupancy: Occupancy) -> OccupancyAnswer {
    let numbers = |rooms: Vec<crate::id::Room>| {
        let number = |room: crate::id::Room| (room.tenant(), room.branch());
        rooms.into_iter().map(number).collect()
    };
    (
        occupancy.occupied,
        occupancy.vacated,
        numbers(occupancy.rooms_occupied),
        numbers(occupancy.rooms_vacated),
    )
}

fn described<'py>(py: Python<'py>, info: &Info) -> PyResult<InfoAnswer<'py>> {
    let membership = |(room, audiences): &(crate::id::Room, Vec<crate::audience::AudienceKey>)| {
        let names = PyTuple::new(
            py,
            audiences.iter().map(crate::audience::AudienceKey::as_str),
        )?;
        Ok(((room.tenant(), room.branch()), names))
    };
    Ok((
        info.connection.get(),
        who_answer(py, &info.identity)?,
        info.memberships
            .iter()
            .map(membership)
            .collect::<PyResult<_>>()?,
    ))
}

/// The native half of `gateway`; `gateway.fanout.native` is its one user.
#[pymodule(name = "_fanout_core")]
mod module {
    #[pymodule_export]
    use super::Core;
    #[pymodule_export]
    use super::splice;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python asks for")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
