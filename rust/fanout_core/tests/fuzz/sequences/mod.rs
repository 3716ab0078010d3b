//! Bytes become a sequence of operations; a world carries them out; a model says what every client must have got.
//!
//! | file | noun |
//! |---|---|
//! | `script` | bytes read as settings and operations |
//! | `seeds` | what the corpus began with |
//! | `wire` | frames, both ways, written a second time |
//! | `peer` | a client's end of a socket |
//! | `item` | something that a client may get, and whether it must |
//! | `ward` | one connection as the model sees it |
//! | `received` | what a client got against what it was owed |
//! | `world` | reactors, wards, clock; rest and time |
//! | `coming` | who comes in, and who may not |
//! | `changing` | other audiences, another identity, the end |
//! | `publishing` | events in, the event loop's tickets out |
//! | `resuming` | history for those who resume |
//! | `speaking` | what clients do |
//! | `books` | what must hold whenever the reactors are at rest |
//! | `ending` | how a sequence ends, and what must be left: nothing |
//! | `watch` | a bound on time, and the input kept when a reactor aborts the process |

mod books;
mod changing;
mod coming;
mod ending;
mod item;
mod peer;
mod publishing;
mod received;
mod resuming;
mod script;
pub mod seeds;
mod speaking;
mod ward;
pub mod watch;
mod wire;
mod world;

use crate::engine::Verdict;

/// Fail with a message when something does not hold.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// Nothing, or what is wrong.
type Checked = Result<(), String>;

/// Carry an input out, and end it.
pub fn check(input: &[u8]) -> Verdict {
    let before = descriptors();
    let mut script = script::Script::new(input);
    let mut world = world::World::new(script.plan());
    while let Some(op) = script.next() {
        world
            .perform(op)
            .map_err(|error| format!("{error}\nat {op:?}"))?;
    }
    let seen = world.end()?;
    let after = descriptors();
    ensure!(
        after == before,
        "{before} descriptors before, {after} after"
    );
    Ok(seen)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
