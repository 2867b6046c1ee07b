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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::LIMITERS;
    use crate::load::LOADS;
    use crate::server::SERVERS;

    #[test]
    fn every_figure_stands_once_in_either_table() {
        let mut rows = Vec::new();
        for server in SERVERS {
            for latency in LATENCIES {
                for load in LOADS {
                    for limiter in LIMITERS {
                        rows.push(Row {
                            limiter: limiter.name,
                            server: server.name,
                            latency: latency.name,
                            load: load.name(),
                            status_429_per_hour: 0.0,
                            accepted_per_hour: 6000.0,
                            peak: 70_000 + rows.len(),
                        });
                    }
                }
            }
        }
        let text = text(&rows, "heading").expect("written");
        let markdown = markdown(&rows, "heading", Some("a.svg")).expect("written");
        for row in &rows {
            let peak = row.peak.to_string();
            assert_eq!(text.matches(&peak).count(), 1, "{row:?}");
            assert_eq!(markdown.matches(&peak).count(), 1, "{row:?}");
        }
        assert!(markdown.contains("](a.svg)"));
    }
}
