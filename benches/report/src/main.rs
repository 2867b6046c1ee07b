//! Writes `BENCHMARKS.md` from what the benches have left behind.
//!
//! A package of its own, so that writing a page does not build the peers.
//!
//! | module | what it does |
//! | --- | --- |
//! | `goals` | what is to be reached; data |
//! | `groups` | what the groups measure, and whom they compare with; data |
//! | `measured` | reads criterion's estimates |
//! | `waiting` | reads the report of `waiters` |
//! | `callers` | reads the report of `callers` |
//! | `sections` | which goals and groups are whose; data |
//! | `machine` | where it was measured |
//! | `page` | the page |

mod callers;
mod goals;
mod groups;
mod machine;
mod measured;
mod page;
mod sections;
mod waiting;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use crate::callers::Callers;
use crate::machine::Machine;
use crate::measured::{Instructions, Measured};
use crate::page::Page;
use crate::waiting::Waiting;

const HELP: &str = "\
Writes BENCHMARKS.md from what the benches have left behind.

    cargo run -p benchmarks [-- --target DIR] [--out FILE]

--target  where the benches have left it; $CARGO_TARGET_DIR or `target` by default
--out     where the page goes; `BENCHMARKS.md` by default, `-` prints it
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmarks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    use lexopt::prelude::*;

    let mut target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let mut out = PathBuf::from("BENCHMARKS.md");
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("target") => target = parser.value()?.into(),
            Long("out") => out = parser.value()?.into(),
            Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let page = Page {
        measured: Measured::read(&target.join("criterion"))?,
        instructions: optional(&target.join("instructions.json"))?
            .map(|text| Instructions::parse(&text))
            .transpose()?,
        waiting: optional(&target.join("waiters.json"))?
            .map(|text| Waiting::parse(&text))
            .transpose()?,
        callers: optional(&target.join("callers.json"))?
            .map(|text| Callers::parse(&text))
            .transpose()?,
        machine: Machine::here(),
    };
    let page = page.render();
    if out == Path::new("-") {
        print!("{page}");
    } else {
        fs::write(out, page)?;
    }
    Ok(())
}

/// What a file says, if it is there.
fn optional(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
