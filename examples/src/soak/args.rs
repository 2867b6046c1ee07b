//! The flags of a soak.

use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use tollgate::context::BoxError;

const HELP: &str = "\
Holds a server of 50 requests in any 5 seconds to its limit, on a bad network, and reports what the server saw.

  --seconds 60       how long the callers call, 10 to 86400; the end takes ten seconds more
  --without rate     takes the rate layer out, to show what it was for
  --seed 7           seeds the network's faults and the callers' moods
  --json             prints one JSON object instead of a table
  --help             prints this

Exits with 0 only where the report is clean.";

/// How a soak goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args {
    /// How long the callers call.
    pub lasts: Duration,
    /// Whether the rate layer is left out.
    pub without_rate: bool,
    /// Seed of the network's faults and the callers' moods.
    pub seed: u64,
    /// Whether to print one JSON object instead of a table.
    pub json: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(60),
            without_rate: false,
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
                Arg::Long("seconds") => args.lasts = flags.value()?.parse_with(seconds)?,
                Arg::Long("without") => args.without_rate = flags.value()?.parse_with(rate)?,
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

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 10..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "`{text}` is no length of a soak; write 10 to 86400"
        )),
    }
}

fn rate(text: &str) -> Result<bool, String> {
    match text {
        "rate" => Ok(true),
        _ => Err(format!("no layer is called `{text}`; write rate")),
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
        let args = read(&[
            "--seconds=600",
            "--without",
            "rate",
            "--seed",
            "3",
            "--json",
        ]);
        let expected = Args {
            lasts: Duration::from_secs(600),
            without_rate: true,
            seed: 3,
            json: true,
        };
        assert_eq!(args, Ok(Some(expected)));
        assert_eq!(read(&[]), Ok(Some(Args::default())));
    }

    #[test]
    fn wrong_flags_say_what_to_write() {
        for (flags, text) in [
            (&["--seconds", "9"][..], "write 10 to 86400"),
            (&["--seconds", "a minute"], "write 10 to 86400"),
            (&["--without", "retry"], "write rate"),
            (&["--fast"], "--help lists the flags"),
        ] {
            let error = read(flags).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
