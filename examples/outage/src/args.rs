//! The program's flags.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};
use tower::BoxError;

const HELP: &str = "\
Drives retry layers against a simulated server that has an outage, or fails now and then, in virtual time.

  --seed 7           seeds what is random
  --svg PATH         draws the attempts a request over an outage, policy by policy
  --markdown         prints a page of Markdown instead of the table
  --json             prints one JSON list instead of the table
  --check            fails unless tollgate is sparing in an outage, and mends single failures and restarts
  --help             prints this

Exits with 1 where the check fails, with 2 where something is wrong with the flags or a run.";

/// What the program is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// Seeds what is random.
    pub seed: u64,
    /// Where to write the chart.
    pub svg: Option<PathBuf>,
    /// What to print.
    pub format: Format,
    /// Whether to fail where the project's own layer misses its goals.
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
    /// An unknown flag, or a value that is none; the text says what to write.
    pub fn from_command_line() -> Result<Option<Self>, BoxError> {
        Self::read(Parser::from_env())
    }

    fn read(mut flags: Parser) -> Result<Option<Self>, BoxError> {
        let mut args = Self::default();
        while let Some(flag) = flags.next()? {
            match flag {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> Result<Option<Args>, String> {
        Args::read(Parser::from_args(flags)).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_read() {
        let args = Args {
            seed: 3,
            svg: Some("a.svg".into()),
            format: Format::Json,
            check: true,
        };
        let flags = ["--seed=3", "--svg", "a.svg", "--json", "--check"];
        assert_eq!(read(&flags), Ok(Some(args)));
        assert_eq!(read(&[]), Ok(Some(Args::default())));
    }

    #[test]
    fn wrong_flags_say_what_to_write() {
        for (flags, text) in [
            (&["--seed", "-1"][..], "cannot parse argument \"-1\""),
            (&["--svg"], "missing argument for option '--svg'"),
            (&["--json", "--markdown"], "write one of them"),
            (&["--rps", "3"], "invalid option '--rps'; --help lists"),
        ] {
            let error = read(flags).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
