//! The rows as people read them.

mod markdown;
mod notes;
mod text;

pub use markdown::markdown;
pub use text::text;

use crate::figures::Figures;

/// The figures as they stand in a table: attempts, share of successes in percent, 99th percentile.
fn cells(figures: &Figures) -> [String; 3] {
    let Figures {
        attempts_per_request: attempts,
        success_rate: success,
        p99_ms,
    } = figures;
    [
        format!("{attempts:.3}"),
        format!("{:.2}", success * 100.0),
        p99_ms.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{RATES, Row};
    use crate::load::LOADS;
    use crate::policy::POLICIES;

    #[test]
    fn every_figure_stands_once_in_either_table() {
        let mut rows = Vec::new();
        for load in LOADS {
            for rps in RATES {
                for policy in POLICIES {
                    let number = rows.len() as u64;
                    let figures = |p99_ms| Figures {
                        attempts_per_request: 1.0,
                        success_rate: 1.0,
                        p99_ms,
                    };
                    rows.push(Row {
                        policy: policy.name,
                        load: load.name,
                        rps,
                        figures: figures(70_000 + number),
                        // Apart only where not all requests count.
                        whole_run: figures(
                            if ["outage", "no_connection"].contains(&load.name) {
                                80_000
                            } else {
                                70_000
                            } + number,
                        ),
                    });
                }
            }
        }
        let text = text(&rows, "command").expect("written");
        let markdown = markdown(&rows, "command", Some("a.svg")).expect("written");
        for row in &rows {
            for (printed, times) in [
                (row.figures.p99_ms, 1),
                // Where all requests count, that is the same.
                (row.whole_run.p99_ms, 1),
            ] {
                let printed = printed.to_string();
                assert_eq!(text.matches(&printed).count(), times, "{row:?}");
                assert_eq!(markdown.matches(&printed).count(), times, "{row:?}");
            }
        }
        assert!(markdown.contains("](a.svg)"));
    }

    #[test]
    fn cells_are_rounded_as_people_read_them() {
        let figures = Figures {
            attempts_per_request: 1.0026,
            success_rate: 0.99907,
            p99_ms: 105,
        };
        assert_eq!(cells(&figures), ["1.003", "99.91", "105"]);
    }
}
