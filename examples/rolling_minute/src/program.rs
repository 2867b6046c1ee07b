//! What the program does, from its flags to its exit code.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tower::BoxError;

use crate::args::{Args, Format};
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
    let hours = args.time.as_secs_f64() / 3600.0;
    // First, since it takes a moment only and can fail.
    if let Some(path) = &args.svg {
        let picture = chart::svg(args.seed)?;
        fs::write(path, picture).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let bar = bar(hours)?;
    let rows = grid::rows(args.time, args.seed, || bar.inc(1))?;
    bar.finish_and_clear();
    let heading = heading(&args, hours);
    let picture = args.svg.as_deref().and_then(Path::file_name);
    let picture = picture.map(|name| name.to_string_lossy());
    let printed = match args.format {
        Format::Text => table::text(&rows, &heading)?,
        Format::Markdown => table::markdown(&rows, &heading, picture.as_deref())?,
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

/// What was run, and how it can be run again.
fn heading(args: &Args, hours: f64) -> String {
    let mut flags = format!("--hours {hours} --seed {}", args.seed);
    if args.format == Format::Markdown {
        flags += " --markdown";
    }
    if let Some(path) = &args.svg {
        flags += &format!(" --svg {}", path.display());
    }
    format!(
        "Rate limiters at servers that allow 100 requests a minute, over {hours} simulated hours each: \
         `cargo run --release --example rolling_minute -- {flags}`"
    )
}

/// A bar over all runs on standard error; one line where that is no terminal.
fn bar(hours: f64) -> Result<ProgressBar, BoxError> {
    let runs = grid::size();
    if !std::io::stderr().is_terminal() {
        eprintln!("{runs} runs of {hours} simulated hours are under way; the table follows");
    }
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(runs as u64), target);
    bar.set_style(ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {pos}/{len} runs, {eta} left",
    )?);
    Ok(bar)
}
