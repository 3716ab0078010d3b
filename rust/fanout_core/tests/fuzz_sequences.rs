//! Random lives of connections against real reactors and real sockets: whatever the order of attach, move, submit and
//! detach, everybody gets what a simple model says, and nothing is left behind.

#[path = "fuzz/engine.rs"]
mod engine;
#[path = "fuzz/sequences/mod.rs"]
mod sequences;

/// One test alone uses sockets in this process: it counts descriptors.
#[test]
fn every_sequence_keeps_the_promises() {
    sequences::watch::start();
    engine::fuzz("sequences", &sequences::seeds::dictionary(), |input| {
        sequences::watch::during(input, || sequences::check(input))
    });
}

/// To be run by hand after a change of `seeds.rs`.
#[test]
#[ignore = "writes fuzz/corpus/sequences"]
fn write_the_seeds() {
    for (name, input) in sequences::seeds::seeds() {
        engine::write(&engine::home().join("corpus/sequences").join(name), &input);
    }
}
