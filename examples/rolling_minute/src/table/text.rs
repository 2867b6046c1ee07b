use std::fmt::{self, Write};

use super::{line, notes};
use crate::grid::Row;
use crate::latency::LATENCIES;
use crate::limiter::LIMITERS;
use crate::load::LOADS;
use crate::server::SERVERS;

/// The width of a limiter's name.
const NAME: usize = 18;

/// The width of one latency's figures.
const GROUP: usize = 26;

/// A table for a terminal: a block a server, a line a limiter, a group of columns a latency.
///
/// # Errors
///
/// None but what writing to a string can have.
pub fn text(rows: &[Row], heading: &str) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(out, "{heading}")?;
    for server in SERVERS {
        writeln!(out, "\n{}: {}\n", server.name, server.what)?;
        write!(out, "  {:NAME$}", "")?;
        for latency in LATENCIES {
            write!(out, "  {:-^GROUP$}", format!(" {} ", latency.name))?;
        }
        for load in LOADS {
            write!(out, "\n  {:NAME$}", load.name())?;
            for _ in LATENCIES {
                write!(out, "  {:>8} {:>10} {:>6}", "429/h", "accepted/h", "peak")?;
            }
            writeln!(out)?;
            for limiter in LIMITERS {
                write!(out, "  {:NAME$}", limiter.name)?;
                for row in line(rows, server.name, load.name(), limiter.name) {
                    let (throttled, accepted) = (row.status_429_per_hour, row.accepted_per_hour);
                    write!(out, "  {throttled:8.1} {accepted:10.0} {:6}", row.peak)?;
                }
                writeln!(out)?;
            }
        }
    }
    writeln!(out)?;
    for (name, what) in notes::limiters() {
        writeln!(out, "  {name:NAME$}  {what}")?;
    }
    writeln!(out)?;
    for note in notes::notes() {
        writeln!(out, "  {note}")?;
    }
    Ok(out)
}
