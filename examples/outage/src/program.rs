//! What the program does, from its flags to its exit code.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tower::BoxError;

use crate::args::{Args, Format};
use crate::grid::RATES;
use crate::{chart, check, grid, table};

/// Runs, and gives the exit code; an error is printed.
#[must_use]
pub fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode, BoxError> {
    let Some(args) = Args::from_command_line()? else {
        return Ok(ExitCode::SUCCESS);
    };
    // First, since it takes a moment only and can fail.
    if let Some(path) = &args.svg {
        let picture = chart::svg(args.seed)?;
        fs::write(path, picture).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let bar = bar()?;
    let rows = grid::rows(&RATES, args.seed, || bar.inc(1))?;
    bar.finish_and_clear();
    let command = command(&args);
    let picture = args.svg.as_deref().and_then(Path::file_name);
    let picture = picture.map(|name| name.to_string_lossy());
    let printed = match args.format {
        Format::Text => table::text(&rows, &command)?,
        Format::Markdown => table::markdown(&rows, &command, picture.as_deref())?,
        Format::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    std::io::stdout().lock().write_all(printed.as_bytes())?;
    if !args.check {
        return Ok(ExitCode::SUCCESS);
    }
    let failures = check::failures(&rows);
    for failure in &failures {
        eprintln!("check failed: {failure}");
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// How all this can be had again.
fn command(args: &Args) -> String {
    let mut command = format!(
        "cargo run --release --example outage -- --seed {}",
        args.seed
    );
    if args.format == Format::Markdown {
        command += " --markdown";
    }
    if let Some(path) = &args.svg {
        command += &format!(" --svg {}", path.display());
    }
    command
}

/// A bar over all runs on standard error; one line where that is no terminal.
fn bar() -> Result<ProgressBar, BoxError> {
    let runs = grid::size(&RATES);
    if !std::io::stderr().is_terminal() {
        eprintln!("{runs} runs of three simulated minutes are under way; what they show follows");
    }
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(runs as u64), target);
    bar.set_style(ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {pos}/{len} runs",
    )?);
    Ok(bar)
}
