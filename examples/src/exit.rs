//! How the programs end.

use std::process::ExitCode;

use tollgate::context::BoxError;

/// The program's exit code; an error is printed with all that led to it.
#[must_use]
pub fn code(result: Result<ExitCode, BoxError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let part = error.to_string();
            // Some errors print their cause themselves.
            if !text.contains(&part) {
                text = format!("{text}: {part}");
            }
            cause = error.source();
        }
        eprintln!("error: {text}");
        ExitCode::from(2)
    })
}
