//! A bounded WebSocket load generator that checks what it gets. See `--help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use fanout_load::options::{HELP, Options};
use fanout_load::swarm::Swarm;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("load-client: {error}");
            return ExitCode::from(2);
        }
    };
    match Swarm::new(options).and_then(Swarm::run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load-client: {error}");
            ExitCode::FAILURE
        }
    }
}
