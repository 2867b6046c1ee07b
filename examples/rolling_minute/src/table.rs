//! The rows as people read them.

mod markdown;
mod notes;
mod text;

pub use markdown::markdown;
pub use text::text;

use crate::grid::Row;
use crate::latency::LATENCIES;

/// The figures of one line: a row for each latency, in their order.
fn line<'a>(
    rows: &'a [Row],
    server: &'a str,
    load: &'a str,
    limiter: &'a str,
) -> impl Iterator<Item = &'a Row> {
    LATENCIES.iter().filter_map(move |latency| {
        rows.iter().find(|row| {
            (row.server, row.load, row.limiter, row.latency)
                == (server, load, limiter, latency.name)
        })
    })
}
