//! The flags of a run of trades.

use lexopt::{Arg, Parser, ValueExt};
use tollgate::context::BoxError;

const HELP: &str = "\
Sends trades to a local server over connections that break, and reports how often each was carried out.

  --protocol h1      what the client speaks: h1 or h2
  --key              gives each trade an idempotency key, which the server honours
  --through haproxy  puts HAProxy in between, which has to be on the PATH
  --naive            repeats whatever fails, to show what the retry layer is for
  --trust-refusals   believes a peer that says that it refused a stream
  --trades 10000     how many, 100 to 1000000
  --seed 7           seeds whatever goes wrong
  --json             prints one JSON object instead of a table
  --help             prints this

Exits with 0 only where the report is clean.";

/// How a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args {
    /// What the client speaks.
    pub protocol: Protocol,
    /// Whether each trade has an idempotency key.
    pub key: bool,
    /// Whether HAProxy is between client and server.
    pub through_haproxy: bool,
    /// Whether whatever fails is repeated, instead of what the retry layer allows.
    pub naive: bool,
    /// Whether the retry layer believes refused streams.
    pub trust_refusals: bool,
    /// How many trades.
    pub trades: u32,
    /// Seed of all that goes wrong.
    pub seed: u64,
    /// Whether to print one JSON object instead of a table.
    pub json: bool,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2, with prior knowledge.
    H2,
}

impl Protocol {
    /// Its name, as written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
        }
    }

    fn from_name(name: &str) -> Result<Self, String> {
        [Self::H1, Self::H2]
            .into_iter()
            .find(|protocol| protocol.name() == name)
            .ok_or_else(|| format!("no protocol is called `{name}`; write h1 or h2"))
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            protocol: Protocol::H1,
            key: false,
            through_haproxy: false,
            naive: false,
            trust_refusals: false,
            trades: 10_000,
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
                Arg::Long("protocol") => {
                    args.protocol = flags.value()?.parse_with(Protocol::from_name)?;
                }
                Arg::Long("key") => args.key = true,
                Arg::Long("through") => {
                    args.through_haproxy = flags.value()?.parse_with(haproxy)?;
                }
                Arg::Long("naive") => args.naive = true,
                Arg::Long("trust-refusals") => args.trust_refusals = true,
                Arg::Long("trades") => args.trades = flags.value()?.parse_with(trades)?,
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
        if args.naive && args.trust_refusals {
            return Err(
                "--naive leaves out the layer that --trust-refusals is about; write one of them"
                    .into(),
            );
        }
        Ok(Some(args))
    }
}

fn trades(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(trades @ 100..=1_000_000) => Ok(trades),
        _ => Err(format!(
            "`{text}` is no number of trades; write 100 to 1000000"
        )),
    }
}

fn haproxy(text: &str) -> Result<bool, String> {
    match text {
        "haproxy" => Ok(true),
        _ => Err(format!("no proxy is called `{text}`; write haproxy")),
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
            "--protocol=h2",
            "--key",
            "--through",
            "haproxy",
            "--trust-refusals",
            "--trades",
            "400",
            "--seed=3",
            "--json",
        ]);
        let expected = Args {
            protocol: Protocol::H2,
            key: true,
            through_haproxy: true,
            naive: false,
            trust_refusals: true,
            trades: 400,
            seed: 3,
            json: true,
        };
        assert_eq!(args, Ok(Some(expected)));
        assert_eq!(read(&[]), Ok(Some(Args::default())));
        assert!(read(&["--naive"]).expect("valid").expect("no help").naive);
    }

    #[test]
    fn wrong_flags_say_what_to_write() {
        for (flags, text) in [
            (&["--protocol", "h3"][..], "write h1 or h2"),
            (&["--through", "nginx"], "write haproxy"),
            (&["--trades", "99"], "write 100 to 1000000"),
            (&["--naive", "--trust-refusals"], "write one of them"),
            (&["--fast"], "--help lists the flags"),
        ] {
            let error = read(flags).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
