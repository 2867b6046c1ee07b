//! This program under callgrind.

use std::error::Error;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::{env, io};

use crate::count::ROUNDS;

/// The flag by which the program is told to run one case.
pub(crate) const CASE: &str = "--case";

/// The instructions of one round of `case`; `None` without valgrind.
///
/// # Errors
///
/// If valgrind or the case fails, or says nothing that can be understood.
pub(crate) fn run(case: &str) -> Result<Option<f64>, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_*"])
        .arg("--callgrind-out-file=/dev/null")
        .arg(env::current_exe()?)
        .args([CASE, case])
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(io::Error::other(format!("{case}: {said}")).into());
    }
    let collected =
        collected(&said).ok_or_else(|| io::Error::other(format!("{case}: no count in: {said}")))?;
    Ok(Some(collected as f64 / ROUNDS as f64))
}

/// The number in callgrind's line `==123== Collected : 4567`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}
