//! The program's flags.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use tower::BoxError;

const HELP: &str = "\
Drives rate limiters against simulated servers that allow 100 requests a minute, in virtual time.

  --hours 2          simulated hours of each run, 0.1 to 168
  --seed 7           seeds what is random
  --svg PATH         draws the requests in the trailing minute, limiter by limiter
  --markdown         prints the table as Markdown
  --json             prints one JSON list instead of the table
  --check            fails unless tollgate is clean at every server that allows a rolling minute, and fast enough
  --help             prints this

Exits with 1 where the check fails, with 2 where something is wrong with the flags or a run.";

/// What the program is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// How long each run lasts, in virtual time.
    pub time: Duration,
    /// Seeds what is random.
    pub seed: u64,
    /// Where to write the chart.
    pub svg: Option<PathBuf>,
    /// What to print.
    pub format: Format,
    /// Whether to fail where the project's own limiter does not keep its promise.
    pub check: bool,
}

/// How the rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for a terminal.
    Text,
    /// A page of Markdown.
    Markdown,
    /// A JSON list.
    Json,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2 * 3600),
            seed: 7,
            svg: None,
            format: Format::Text,
            check: false,
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
                Arg::Long("hours") => args.time = flags.value()?.parse_with(hours)?,
                Arg::Long("seed") => args.seed = flags.value()?.parse()?,
                Arg::Long("svg") => args.svg = Some(flags.value()?.into()),
                Arg::Long("markdown") => args.format = args.format.or(Format::Markdown)?,
                Arg::Long("json") => args.format = args.format.or(Format::Json)?,
                Arg::Long("check") => args.check = true,
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

impl Format {
    fn or(self, asked: Self) -> Result<Self, &'static str> {
        if self == Self::Text || self == asked {
            Ok(asked)
        } else {
            Err("--json and --markdown exclude each other; write one of them")
        }
    }
}

fn hours(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no number of hours; write 0.1 to 168");
    let hours: f64 = text.trim().parse().map_err(|_| wrong())?;
    if (0.1..=168.0).contains(&hours) {
        Ok(Duration::from_secs_f64(hours * 3600.0))
    } else {
        Err(wrong())
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
            "--hours", "0.5", "--seed=3", "--svg", "a.svg", "--json", "--check",
        ];
        let args = Args {
            time: Duration::from_secs(1800),
            seed: 3,
            svg: Some("a.svg".into()),
            format: Format::Json,
            check: true,
        };
        assert_eq!(read(&flags), Ok(Some(args)));
        assert_eq!(read(&[]), Ok(Some(Args::default())));
    }

    #[test]
    fn wrong_flags_say_what_to_write() {
        for (flags, text) in [
            (&["--hours", "soon"][..], "write 0.1 to 168"),
            (&["--hours", "0"], "write 0.1 to 168"),
            (&["--hours", "NaN"], "write 0.1 to 168"),
            (&["--hours"], "missing argument for option '--hours'"),
            (&["--seed", "-1"], "cannot parse argument \"-1\""),
            (&["--json", "--markdown"], "write one of them"),
            (&["--fast"], "invalid option '--fast'"),
        ] {
            let error = read(flags).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
