//! A bounded fuzzer on stable Rust: no instrumentation, no nightly, no process of its own.
//!
//! Without coverage, the check says what was *seen*: a number for the kind of thing that happened. An input that shows
//! something new is kept and mutated further, which is what coverage is for. The same seed, corpus and compiler
//! repeat a run, as far as its time goes.
//!
//! | environment | what |
//! |---|---|
//! | `FUZZ_SECONDS` | how long, 3 unless told |
//! | `FUZZ_SEED` | where to begin; the clock unless told, and printed |
//! | `FUZZ_KEEP` | when set, inputs that showed something new are written into the corpus |

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

#[path = "mutate.rs"]
mod mutate;
#[path = "rng.rs"]
mod rng;

pub use rng::Rng;

/// What a check says of an input: a number for what was seen, or what is wrong. A panic is wrong too.
pub type Verdict = Result<u64, String>;

/// Inputs kept in memory; more would only thin out the mutations.
const MAX_POOL: usize = 2000;

/// Attempts to make a failing input smaller.
const MAX_SHRINK: usize = 2000;

/// Give `check` every file of the corpus `fuzz/corpus/<name>`, then mutations of them until the time is up.
///
/// # Panics
/// When the check fails: the input, made smaller, is written to `fuzz/failed`, and the message names it and the seed. When
/// the corpus is missing, too.
pub fn fuzz(name: &str, dictionary: &[Vec<u8>], check: impl Fn(&[u8]) -> Verdict) {
    let corpus = home().join("corpus").join(name);
    let seconds = number("FUZZ_SECONDS").unwrap_or(3);
    let seed = number("FUZZ_SEED").unwrap_or_else(clock);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut pool = load(&corpus);
    let mut shown = HashSet::new();
    for input in &pool {
        shown.insert(judge(name, seed, input, &check));
    }
    let (kept, shapes) = (pool.len(), shown.len());
    let mut rng = Rng::new(seed);
    let mut runs = 0u64;
    while Instant::now() < deadline {
        // The newest inputs are where something was found last, so half of the mutations begin there.
        let newest = pool.len().min(64);
        let from = match rng.below(2) {
            0 => pool.len() - newest + rng.below(newest),
            _ => rng.below(pool.len()),
        };
        let mut input = pool[from].clone();
        let other = rng.below(pool.len());
        mutate::mutate(&mut input, &pool[other], dictionary, &mut rng);
        runs += 1;
        if shown.insert(judge(name, seed, &input, &check)) && pool.len() < MAX_POOL {
            if env::var_os("FUZZ_KEEP").is_some() {
                write(&corpus.join(file_name("found", &input)), &input);
            }
            pool.push(input);
        }
    }
    println!(
        "{name}: seed {seed}, corpus {kept} inputs with {shapes} shapes, {runs} mutations in {seconds} s, {} shapes more",
        shown.len() - shapes
    );
}

/// Where corpus and failures are: `fuzz` beside the crate's `src`.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Write an input, and the directories above it.
pub fn write(path: &Path, input: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("can be made");
    fs::write(path, input).expect("can be written");
}

fn load(corpus: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpus)
        .unwrap_or_else(|error| panic!("no corpus in {}: {error}", corpus.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort(); // a seed repeats a run only when the order is the same
    assert!(
        !paths.is_empty(),
        "the corpus {} is empty",
        corpus.display()
    );
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What the check saw.
fn judge(name: &str, seed: u64, input: &[u8], check: &impl Fn(&[u8]) -> Verdict) -> u64 {
    let mistake = match run(input, check) {
        Ok(shape) => return shape,
        Err(mistake) => mistake,
    };
    let smallest = shrink(input.to_vec(), check);
    let mistake = run(&smallest, check).err().unwrap_or(mistake);
    let path = home().join("failed").join(file_name(name, &smallest));
    write(&path, &smallest);
    panic!(
        "{mistake}\ninput {smallest:02x?}\nin {}, FUZZ_SEED={seed}",
        path.display()
    );
}

fn run(input: &[u8], check: &impl Fn(&[u8]) -> Verdict) -> Verdict {
    panic::catch_unwind(AssertUnwindSafe(|| check(input))).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or(cause.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("without a message")))
    })
}

/// Leave out ever smaller pieces, as long as it still fails.
fn shrink(mut input: Vec<u8>, check: &impl Fn(&[u8]) -> Verdict) -> Vec<u8> {
    let mut attempts = 0;
    let mut size = input.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < input.len() && attempts < MAX_SHRINK {
            attempts += 1;
            let mut smaller = input.clone();
            smaller.drain(at..(at + size).min(input.len()));
            if run(&smaller, check).is_err() {
                input = smaller;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    input
}

fn file_name(prefix: &str, input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{prefix}-{:016x}", hasher.finish())
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = text.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{name} is {text:?}; expected a whole number")))
}

fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::from(since.subsec_nanos()) ^ since.as_secs() << 30
    })
}
