//! How the programs end.

use std::process::ExitCode;

use tollgate::context::BoxError;

/// The program's exit code; an error is printed with all that led to it.
#[must_use]
pub fn code(result: Result<ExitCode, BoxError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprint!("error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprint!(": {error}");
            cause = error.source();
        }
        eprintln!();
        ExitCode::from(2)
    })
}
