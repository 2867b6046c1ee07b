//! The flags that all runs share.

use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Drives a local server through the whole stack and reports what the server saw.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// The server's rolling window, such as 10s or 60s.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub window: Duration,

    /// Requests allowed in a window.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub limit: u32,

    /// Calls to make.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    pub requests: u32,

    /// Takes a layer out, to show what it was for.
    #[arg(long, value_enum)]
    pub without: Option<Part>,

    /// Seeds the server's faults.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,

    /// Prints one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// A layer that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The rate layer: nothing keeps the limit.
    Rate,
    /// The gate: nothing waits for a token.
    Gate,
    /// The retry layer: nothing is sent again.
    Retry,
}

impl Part {
    /// Its name, as written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Gate => "gate",
            Self::Retry => "retry",
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no window; write it in seconds, such as 10s or 60s");
    let seconds = text.strip_suffix('s').unwrap_or(text);
    let seconds: f64 = seconds.trim().parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(window) if (1.0..=3600.0).contains(&seconds) => Ok(window),
        _ => Err(wrong()),
    }
}
