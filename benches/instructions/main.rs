//! How many instructions a decision and a layer take: steadier than any clock on a busy machine.
//!
//! `cargo bench -p benches --bench instructions [-- --json] [NAME]` runs itself under valgrind's callgrind, once for each
//! case of `limiter`, `retry` and `credentials` that needs no threads. Without valgrind it says so, and measures nothing.
//!
//! What it cannot see: caches and predictions, and what a clock read costs. Under valgrind a read is a system call, whose
//! instructions are the kernel's and are not counted; `governor_quanta`'s is one instruction instead.
//!
//! # Where they go
//!
//! For one case, function by function, with the profile's debug information:
//!
//! ```text
//! export CARGO_PROFILE_BENCH_DEBUG=true
//! cargo bench -p benches --bench instructions --no-run       # prints where the executable is
//! valgrind --tool=callgrind --toggle-collect='*counted*' --callgrind-out-file=target/callgrind.out \
//!     EXECUTABLE --case layer/tollgate
//! callgrind_annotate --inclusive=no target/callgrind.out
//! ```
//!
//! The figures are those of [`ROUNDS`](count::ROUNDS) rounds.

#[path = "../limiter/admit.rs"]
mod admit;
mod callgrind;
mod count;
#[path = "../credentials/passing.rs"]
mod credentials;
#[path = "../limiter/layer.rs"]
mod layer;
#[path = "../limiter/pair.rs"]
mod pair;
#[path = "../retry/passing.rs"]
mod passing;
#[path = "../limiter/reject.rs"]
mod reject;

use std::env;
use std::process::ExitCode;

use benches::{Flags, Harness};
use serde_json::{Map, Value, json};

use crate::count::{Counted, Names};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, case] = arguments.as_slice()
        && flag == callgrind::CASE
    {
        measure(&mut Counted::new(case));
        return ExitCode::SUCCESS;
    }
    match report(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(_: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let flags = Flags::read()?;
    let mut names = Names::default();
    measure(&mut names);
    let cases = names.0.iter().filter(|case| flags.choose(case));
    if flags.test {
        // Each once, as it is.
        cases.for_each(|case| measure(&mut Counted::new(case)));
        return Ok(());
    }
    let mut counts = Map::new();
    for case in cases {
        let Some(instructions) = callgrind::run(case)? else {
            println!("valgrind is not here: nothing to count with");
            return Ok(());
        };
        if !flags.json {
            println!("{case:40}{instructions:>8.0}");
        }
        counts.insert(case.clone(), json!(instructions.round()));
    }
    if flags.json {
        println!("{:#}", Value::Object(counts));
    }
    Ok(())
}

fn measure(harness: &mut impl Harness) {
    admit::measure(harness);
    reject::measure(harness);
    pair::measure(harness);
    layer::measure(harness);
    passing::measure(harness);
    credentials::measure(harness);
}
