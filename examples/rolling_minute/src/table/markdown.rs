use std::fmt::{self, Write};

use super::{line, notes};
use crate::grid::Row;
use crate::latency::LATENCIES;
use crate::limiter::LIMITERS;
use crate::load::LOADS;
use crate::server::SERVERS;

/// A page of Markdown: a table a server, a line a limiter and load.
///
/// # Errors
///
/// None but what writing to a string can have.
pub fn markdown(rows: &[Row], heading: &str, picture: Option<&str>) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(out, "# The rolling minute\n\n{heading}")?;
    if let Some(picture) = picture {
        writeln!(
            out,
            "\n![Requests in the trailing minute, limiter by limiter]({picture})"
        )?;
    }
    for server in SERVERS {
        writeln!(
            out,
            "\n## `{}`\n\nA server that {}.\n",
            server.name, server.what
        )?;
        write!(out, "| load | limiter |")?;
        for latency in LATENCIES {
            write!(out, " {0} 429/h | accepted/h | peak |", latency.name)?;
        }
        write!(out, "\n| --- | --- |")?;
        for _ in LATENCIES {
            write!(out, " ---: | ---: | ---: |")?;
        }
        writeln!(out)?;
        for load in LOADS {
            for limiter in LIMITERS {
                write!(out, "| {} | `{}` |", load.name(), limiter.name)?;
                for row in line(rows, server.name, load.name(), limiter.name) {
                    let (throttled, accepted) = (row.status_429_per_hour, row.accepted_per_hour);
                    write!(out, " {throttled:.1} | {accepted:.0} | {} |", row.peak)?;
                }
                writeln!(out)?;
            }
        }
    }
    writeln!(out, "\n## The limiters\n")?;
    for (name, what) in notes::limiters() {
        writeln!(out, "- `{name}`: {what}")?;
    }
    writeln!(out, "\n## How to read it\n")?;
    for note in notes::notes() {
        writeln!(out, "- {note}")?;
    }
    Ok(out)
}
