//! A bound on time, and the input kept when there is nobody left to make it smaller.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use std::{panic, process};

use crate::engine;

/// A sequence takes milliseconds; one that takes so long hangs.
const BOUND: Duration = Duration::from_secs(60);

/// What is being carried out, and since when.
static CURRENT: Mutex<Option<(Instant, Vec<u8>)>> = Mutex::new(None);

/// Watch over whatever [`during`] is called for.
pub fn start() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // The process aborts when a reactor panics: there will be no shrinking, and no message of the engine.
        if thread::current()
            .name()
            .is_some_and(|name| name.starts_with("fanout-reactor"))
        {
            keep("a reactor panicked");
        }
        default(info);
    }));
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_secs(1));
            let current = CURRENT.lock().unwrap();
            let is_over = matches!(&*current, Some((since, _)) if since.elapsed() > BOUND);
            drop(current);
            if is_over {
                keep("a sequence hangs");
                process::abort();
            }
        }
    });
}

/// Do something for an input, watched.
pub fn during<T>(input: &[u8], act: impl FnOnce() -> T) -> T {
    *CURRENT.lock().unwrap() = Some((Instant::now(), input.to_vec()));
    let done = act();
    *CURRENT.lock().unwrap() = None;
    done
}

fn keep(what: &str) {
    if let Some((_, input)) = &*CURRENT.lock().unwrap() {
        let path = engine::home().join("failed/sequences-last");
        engine::write(&path, input);
        eprintln!("{what}: input in {}", path.display());
    }
}
