use std::fmt::{self, Write};

use super::{cells, notes};
use crate::figures::Figures;
use crate::grid::{RATES, Row};
use crate::load::LOADS;
use crate::policy::POLICIES;

/// The width of a policy's name.
const NAME: usize = 14;

/// The width of one rate's figures.
const GROUP: usize = 20;

/// A table for a terminal: a block a load, a line a policy, a group of columns a rate.
///
/// # Errors
///
/// None but what writing to a string can have.
pub fn text(rows: &[Row], command: &str) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(out, "{}: {command}", notes::HEADING)?;
    for load in LOADS {
        let rows: Vec<_> = rows.iter().filter(|row| row.load == load.name).collect();
        writeln!(out, "\n{}: {}\n", load.name, load.what)?;
        block(&mut out, &rows, |row| &row.figures)?;
        if rows.iter().any(|row| row.whole_run != row.figures) {
            writeln!(out, "\n{}: all requests of the run\n", load.name)?;
            block(&mut out, &rows, |row| &row.whole_run)?;
        }
    }
    writeln!(out)?;
    for policy in POLICIES {
        writeln!(out, "  {:NAME$}  {}", policy.name, policy.what)?;
    }
    writeln!(out)?;
    for note in notes::notes() {
        writeln!(out, "  {note}")?;
    }
    Ok(out)
}

fn block(out: &mut String, rows: &[&Row], of: impl Fn(&Row) -> &Figures) -> fmt::Result {
    write!(out, "  {:NAME$}", "")?;
    for rps in RATES {
        write!(out, "  {:-^GROUP$}", format!(" {rps} a second "))?;
    }
    write!(out, "\n  {:NAME$}", "")?;
    for _ in RATES {
        write!(out, "  {:>6} {:>7} {:>5}", "tries", "ok %", "p99")?;
    }
    writeln!(out)?;
    for policy in POLICIES {
        write!(out, "  {:NAME$}", policy.name)?;
        for row in rows.iter().filter(|row| row.policy == policy.name) {
            let [attempts, success, p99] = cells(of(row));
            write!(out, "  {attempts:>6} {success:>7} {p99:>5}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
