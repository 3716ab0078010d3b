//! Producer and receivers of the relay bench. See `--help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use fanout_load::relay::options::{HELP, Options};
use fanout_load::relay::receivers::Receivers;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("relay-load: {error}");
            return ExitCode::from(2);
        }
    };
    match Receivers::join(&options).and_then(Receivers::run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("relay-load: {error}");
            ExitCode::FAILURE
        }
    }
}
