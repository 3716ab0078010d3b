//! One way to lock, and the order in which locks are taken.
//!
//! ```text
//! identities → index (of an owner) → shard (of the directory) → permits
//! audiences, tickets, reports, mailboxes, notices: leaves; nothing is locked while one of them is held
//! ```
//!
//! Take them from left to right only; never two shards' locks at once; never any of them across a system call or a
//! call into Python. So who puts something into a mailbox or the notices under another lock wakes the other side only
//! when it has let go of that lock. A thread that waits here has let go of the GIL, so no ring can close through the interpreter.

use std::sync::{Mutex, MutexGuard};

/// Lock, and panic if a thread panicked while it held the lock.
///
/// Its change may be half made, and an index that is half changed could pass an event to the wrong audience:
/// better that every later call fails loudly too.
///
/// # Panics
/// When the mutex is poisoned.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("a thread panicked inside the fan-out core; restart the process")
}
