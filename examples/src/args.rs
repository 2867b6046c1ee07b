//! The flags that all runs share.

use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use tollgate::context::BoxError;

const HELP: &str = "\
Drives a local server through the whole stack, and reports what the server saw.

  --window 10s       the server's rolling window in seconds, 1s to 3600s
  --limit 100        requests allowed in a window, 10 to 10000
  --requests 200     calls to make, 50 to 100000
  --without PART     takes one layer out, to show what it was for: rate, gate or retry
  --seed 7           seeds the server's faults
  --json             prints one JSON object instead of tables
  --help             prints this

Exits with 0 only where the report is clean.";

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Args {
    /// The server's rolling window.
    pub window: Duration,
    /// Requests allowed in a window.
    pub limit: u32,
    /// Calls to make.
    pub requests: u32,
    /// The layer that is taken out.
    pub without: Option<Part>,
    /// Seed of the server's faults.
    pub seed: u64,
    /// Whether to print one JSON object instead of tables.
    pub json: bool,
}

/// A layer that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    fn from_name(name: &str) -> Result<Self, String> {
        [Self::Rate, Self::Gate, Self::Retry]
            .into_iter()
            .find(|part| part.name() == name)
            .ok_or_else(|| format!("no layer is called `{name}`; write rate, gate or retry"))
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            limit: 100,
            requests: 200,
            without: None,
            seed: 7,
            json: false,
        }
    }
}

impl Args {
    /// Reads the program's flags; `None` where help was asked for, which is then printed.
    ///
    /// # Errors
    ///
    /// An unknown flag, or a value out of its range; the text says what to write.
    pub fn from_command_line() -> Result<Option<Self>, BoxError> {
        Self::read(Parser::from_env())
    }

    fn read(mut flags: Parser) -> Result<Option<Self>, BoxError> {
        let mut args = Self::default();
        while let Some(flag) = flags.next()? {
            match flag {
                Arg::Long("window") => args.window = flags.value()?.parse_with(window)?,
                Arg::Long("limit") => {
                    args.limit = within("--limit", flags.value()?.parse()?, 10, 10_000)?;
                }
                Arg::Long("requests") => {
                    args.requests = within("--requests", flags.value()?.parse()?, 50, 100_000)?;
                }
                Arg::Long("without") => {
                    args.without = Some(flags.value()?.parse_with(Part::from_name)?);
                }
                Arg::Long("seed") => args.seed = flags.value()?.parse()?,
                Arg::Long("json") => args.json = true,
                Arg::Long("help") | Arg::Short('h') => {
                    println!("{HELP}");
                    return Ok(None);
                }
                other => {
                    return Err(format!("{}; --help lists the flags", other.unexpected()).into());
                }
            }
        }
        Ok(Some(args))
    }
}

fn within(flag: &str, number: u32, least: u32, most: u32) -> Result<u32, BoxError> {
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(format!("{flag} {number} is out of range; write a number from {least} to {most}").into())
}

fn window(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no window; write 1s to 3600s");
    let seconds = text.strip_suffix('s').unwrap_or(text);
    let seconds: f64 = seconds.trim().parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(window) if (1.0..=3600.0).contains(&seconds) => Ok(window),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> Result<Option<Args>, String> {
        Args::read(Parser::from_args(flags)).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_read() {
        let flags = [
            "--window",
            "60s",
            "--requests=250",
            "--without",
            "rate",
            "--json",
        ];
        let args = read(&flags).expect("valid").expect("no help");
        assert_eq!(args.window, Duration::from_secs(60));
        assert_eq!((args.limit, args.requests), (100, 250));
        assert_eq!(args.without, Some(Part::Rate));
        assert!(args.json);
    }

    #[test]
    fn wrong_flags_say_what_to_write() {
        for (flags, text) in [
            (&["--window", "soon"][..], "write 1s to 3600s"),
            (&["--window", "0s"], "write 1s to 3600s"),
            (&["--requests", "3"], "write a number from 50 to 100000"),
            (&["--without", "auth"], "write rate, gate or retry"),
            (&["--fast"], "invalid option '--fast'"),
        ] {
            let error = read(flags).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
