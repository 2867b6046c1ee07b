use std::fmt::{self, Write};

use super::{cells, notes};
use crate::grid::Row;
use crate::load::LOADS;
use crate::policy::POLICIES;

/// A page of Markdown: what is seen, and a table a load with a line a rate and policy.
///
/// # Errors
///
/// None but what writing to a string can have.
pub fn markdown(rows: &[Row], command: &str, picture: Option<&str>) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(out, "# An outage\n\n{}: `{command}`", notes::HEADING)?;
    if let Some(picture) = picture {
        writeln!(out, "\n![{}]({picture})", notes::PICTURE)?;
    }
    writeln!(out, "\n## What is seen\n")?;
    for seen in notes::SEEN {
        writeln!(out, "- {seen}")?;
    }
    for load in LOADS {
        let rows: Vec<_> = rows.iter().filter(|row| row.load == load.name).collect();
        let apart = rows.iter().any(|row| row.whole_run != row.figures);
        writeln!(out, "\n## `{}`\n\nThe server: {}.\n", load.name, load.what)?;
        write!(
            out,
            "| requests a second | policy | attempts a request | succeeded % | p99 ms |"
        )?;
        if apart {
            write!(
                out,
                " whole run: attempts a request | succeeded % | p99 ms |"
            )?;
        }
        write!(out, "\n| ---: | --- | ---: | ---: | ---: |")?;
        if apart {
            write!(out, " ---: | ---: | ---: |")?;
        }
        writeln!(out)?;
        for row in rows {
            write!(out, "| {} | `{}` |", row.rps, row.policy)?;
            let whole_run = apart.then_some(&row.whole_run);
            for cell in [Some(&row.figures), whole_run]
                .into_iter()
                .flatten()
                .flat_map(cells)
            {
                write!(out, " {cell} |")?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "\n## The policies\n")?;
    for policy in POLICIES {
        writeln!(out, "- `{}`: {}", policy.name, policy.what)?;
    }
    writeln!(out, "\n## How to read it\n")?;
    for note in notes::notes() {
        writeln!(out, "- {note}")?;
    }
    Ok(out)
}
