//! The bar that moves while a run lasts.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `calls` calls, on standard error; one line where that is no terminal.
#[must_use]
pub fn bar(calls: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    if !std::io::stderr().is_terminal() {
        eprintln!("{calls} calls are under way; the report follows");
    }
    let bar = ProgressBar::with_draw_target(Some(calls), ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {pos}/{len} calls {per_sec} {msg}",
    ) {
        bar.set_style(style);
    }
    bar
}
