//! The extension module `gateway._fanout_core`: converts, lets go of the GIL, calls the core. No logic.
//!
//! What comes in is copied out of Python objects first, then the GIL is let go of (`Python::detach`) for as long as
//! the core's locks may be waited for, then the answer is made into Python objects. So no lock of the core is ever held
//! across a call into Python, and a thread that waits for one stops nobody else.
#![expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands every argument over by value"
)]

use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::checks::RawMembership;
use crate::core::{Core as Inner, Info, Occupancy, Submission};
use crate::directory::Admission;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::identity::Identity;
use crate::permits::Limits;

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

type RoomArg = (Number, Number);
type MembershipArg = (RoomArg, Vec<PyBackedStr>);
type SubmissionArg = (RoomArg, Vec<PyBackedStr>, Number);
type Names = Vec<String>;
type MembershipAnswer<'py> = ((i64, i64), Bound<'py, PyTuple>);
type InfoAnswer<'py> = (
    i64,
    i64,
    Bound<'py, PyTuple>,
    Option<f64>,
    Bound<'py, PyBytes>,
    Vec<MembershipAnswer<'py>>,
);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NoConnection(_) | Error::NoTicket(_) => PyKeyError::new_err(text),
            _ => PyValueError::new_err(text),
        }
    }
}

/// The native core; see `gateway.fanout.base.FanoutCore`. Every method may be called from any thread.
#[pyclass(frozen, module = "gateway._fanout_core")]
struct Core {
    inner: Inner,
}

#[pymethods]
impl Core {
    #[new]
    fn new(
        max_broadcasts: Number,
        max_broadcast_bytes: Number,
        max_room_broadcasts: Number,
    ) -> PyResult<Self> {
        let limits = Limits::new(
            max_broadcasts.0,
            max_broadcast_bytes.0,
            max_room_broadcasts.0,
        )?;
        Ok(Self {
            inner: Inner::new(limits),
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "an identity's fields, spared a class of their own"
    )]
    fn attach(
        &self,
        py: Python<'_>,
        connection: Number,
        memberships: Vec<MembershipArg>,
        tenant: Number,
        keys: Vec<PyBackedStr>,
        expires_at: Option<f64>,
        label: &[u8],
    ) -> PyResult<(Names, Names)> {
        let memberships = raw(memberships);
        let identity = identity(tenant, &keys, expires_at, label);
        let occupancy = py.detach(|| self.inner.attach(connection.0, &memberships, identity))?;
        Ok(names(occupancy))
    }

    fn r#move(
        &self,
        py: Python<'_>,
        connection: Number,
        memberships: Vec<MembershipArg>,
    ) -> PyResult<(Names, Names)> {
        let memberships = raw(memberships);
        Ok(names(py.detach(|| {
            self.inner.move_to(connection.0, &memberships)
        })?))
    }

    fn set_identity(
        &self,
        py: Python<'_>,
        connection: Number,
        tenant: Number,
        keys: Vec<PyBackedStr>,
        expires_at: Option<f64>,
        label: &[u8],
    ) -> PyResult<()> {
        let identity = identity(tenant, &keys, expires_at, label);
        Ok(py.detach(|| self.inner.set_identity(connection.0, identity))?)
    }

    fn leave(&self, py: Python<'_>, connection: Number) -> (Names, Names) {
        names(py.detach(|| self.inner.leave(connection.0)))
    }

    fn submit_many(&self, py: Python<'_>, items: Vec<SubmissionArg>) -> PyResult<Vec<Option<i64>>> {
        let items: Vec<_> = items
            .into_iter()
            .map(|((tenant, branch), audiences, size)| Submission {
                room: (tenant.0, branch.0),
                audiences,
                size: size.0,
            })
            .collect();
        let answers = py.detach(|| self.inner.submit_many(&items))?;
        let number = |answer| match answer {
            Admission::Refused => None,
            Admission::Nobody => Some(0),
            Admission::Ticket(ticket) => Some(ticket.0),
        };
        Ok(answers.into_iter().map(number).collect())
    }

    fn recipients<'py>(&self, py: Python<'py>, ticket: Number) -> PyResult<Bound<'py, PyList>> {
        let found = py.detach(|| self.inner.recipients(ticket.0))?;
        PyList::new(py, found.iter().map(|connection| connection.get()))
    }

    fn still_entitled(&self, py: Python<'_>, ticket: Number, connection: Number) -> PyResult<bool> {
        Ok(py.detach(|| self.inner.still_entitled(ticket.0, connection.0))?)
    }

    fn finish(&self, py: Python<'_>, ticket: Number) -> PyResult<()> {
        Ok(py.detach(|| self.inner.finish(ticket.0))?)
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
        tenant: Number,
        key: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let found = py.detach(|| self.inner.find(tenant.0, key));
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

fn raw(memberships: Vec<MembershipArg>) -> Vec<RawMembership<PyBackedStr>> {
    memberships
        .into_iter()
        .map(|((tenant, branch), audiences)| RawMembership {
            room: (tenant.0, branch.0),
            audiences,
        })
        .collect()
}

fn identity(
    tenant: Number,
    keys: &[PyBackedStr],
    expires_at: Option<f64>,
    label: &[u8],
) -> Identity {
    Identity {
        tenant: tenant.0,
        keys: keys.iter().map(|key| Arc::from(&**key)).collect(),
        expires_at,
        label: label.into(),
    }
}

fn names(occupancy: Occupancy) -> (Names, Names) {
    (occupancy.occupied, occupancy.vacated)
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
        info.identity.tenant,
        PyTuple::new(py, info.identity.keys.iter().map(|key| &**key))?,
        info.identity.expires_at,
        PyBytes::new(py, &info.identity.label),
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
