//! The page. The same figures make the same page, to the byte.

use std::fmt::Write;

use crate::callers::Callers;
use crate::goals::{Goal, Reports, Verdict};
use crate::groups::Group;
use crate::machine::Machine;
use crate::measured::{Instructions, Measured};
use crate::sections::SECTIONS;
use crate::waiting::Waiting;

/// All that goes onto the page.
pub(crate) struct Page {
    pub(crate) measured: Measured,
    pub(crate) instructions: Option<Instructions>,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) callers: Option<Callers>,
    pub(crate) machine: Machine,
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo run -p benchmarks` from what the benches leave behind: change the benches, not this page.

Times are nanoseconds, the median and its 95 % interval; they are the machine's, and only what was measured in one run
compares. What each bench does, and how its peers are set up, stands at the top of its `main.rs` in [`benches`](benches).
";

const COMMANDS: &str = "
```sh
cargo bench -p benches                                                        # all of criterion's, into target/criterion
cargo bench -p benches --bench waiters -- --json --rounds 3 > target/waiters.json  # three minutes, in real time
cargo bench -p benches --bench callers -- --json > target/callers.json            # two seconds, in real time
cargo bench -p benches --bench instructions -- --json > target/instructions.json  # needs valgrind
cargo run -p benchmarks                                                       # this page
```
";

impl Page {
    pub(crate) fn render(&self) -> String {
        let mut page = String::from(HEAD);
        self.machine(&mut page);
        page.push_str(COMMANDS);
        for section in SECTIONS {
            line(&mut page, &format!("\n## `{}`\n", section.bench));
            line(&mut page, section.what);
            self.goals(&mut page, section.goals);
            for group in section.groups {
                self.group(&mut page, group.name, Some(group));
            }
            if section.waiters {
                self.waiting(&mut page);
            }
            if section.callers {
                self.callers(&mut page);
            }
        }
        self.others(&mut page);
        page
    }

    /// Groups that no section knows.
    fn others(&self, page: &mut String) {
        let known = SECTIONS.iter().flat_map(|section| section.groups);
        let others = self
            .measured
            .groups()
            .filter(|name| known.clone().all(|group| group.name != *name));
        for (number, name) in others.enumerate() {
            if number == 0 {
                line(page, "\n## Others");
            }
            self.group(page, name, None);
        }
    }

    fn machine(&self, page: &mut String) {
        let Machine {
            cpu,
            cores,
            system,
            rustc,
        } = &self.machine;
        line(
            page,
            &format!("\n{cpu}, {cores} cores, {system}, rustc {rustc}."),
        );
    }

    fn goals(&self, page: &mut String, goals: &[Goal]) {
        line(
            page,
            "\n### Goals\n\n| ratio | at most | measured | |\n| --- | ---: | ---: | --- |",
        );
        let reports = Reports {
            waiting: self.waiting.as_ref(),
            callers: self.callers.as_ref(),
        };
        for goal in goals {
            let (measured, verdict) = match goal.judge(&self.measured, reports) {
                Verdict::Met(value) => (format!("{value:.3}"), "met"),
                Verdict::Missed(value) => (format!("{value:.3}"), "**missed**"),
                Verdict::NotMeasured => ("–".to_owned(), "not measured"),
            };
            let (quantity, at_most) = (goal.quantity.describe(), goal.at_most);
            line(
                page,
                &format!("| {quantity} | {at_most:.2} | {measured} | {verdict} |"),
            );
        }
    }

    fn group(&self, page: &mut String, name: &str, group: Option<&Group>) {
        let functions = self.measured.functions(name);
        if functions.is_empty() {
            return;
        }
        line(page, &format!("\n### `{name}`\n"));
        if let Some(group) = group {
            line(page, &format!("{}\n", group.what));
        }
        let peer = group.and_then(|group| {
            let figure = self.measured.figure(name, group.peer)?;
            Some((group.peer, figure.ns))
        });
        let counted = |function: &str| self.instructions.as_ref()?.of(name, function);
        let any_counted = functions
            .iter()
            .any(|(function, _)| counted(function).is_some());

        let mut head = "| | ns | 95 % |".to_owned();
        let mut rule = "| --- | ---: | ---: |".to_owned();
        if let Some((peer, _)) = peer {
            write!(head, " ÷ `{peer}` |").expect(TAKES_ALL);
            rule.push_str(" ---: |");
        }
        if any_counted {
            head.push_str(" instructions |");
            rule.push_str(" ---: |");
        }
        line(page, &head);
        line(page, &rule);
        for (function, figure) in &functions {
            let mut row = format!(
                "| `{function}` | {:.1} | {:.1} – {:.1} |",
                figure.ns, figure.low, figure.high
            );
            if let Some((_, ns)) = peer {
                write!(row, " {:.2} |", figure.ns / ns).expect(TAKES_ALL);
            }
            if any_counted {
                let count = counted(function).map_or_else(|| "–".to_owned(), |n| format!("{n:.0}"));
                write!(row, " {count} |").expect(TAKES_ALL);
            }
            line(page, &row);
        }
    }

    fn waiting(&self, page: &mut String) {
        let Some(waiting) = &self.waiting else { return };
        let Waiting {
            waiters,
            limit,
            window_ms,
            limiters,
        } = waiting;
        line(
            page,
            &format!(
                "\n### `waiters`\n\n{waiters} requests wait at once, and {limit} are let through every {window_ms} ms. CPU time and \
                 polls for each; the last column is the share\nthat was let through more than a window's worth out of order.\n\n\
                 | | µs | polls | out of order |\n| --- | ---: | ---: | ---: |"
            ),
        );
        for waited in limiters {
            let (name, cpu, polls) = (
                &waited.limiter,
                waited.cpu_us_per_grant,
                waited.polls_per_grant,
            );
            let share = waited.out_of_order * 100.0;
            line(
                page,
                &format!("| `{name}` | {cpu:.2} | {polls:.2} | {share:.1} % |"),
            );
        }
    }

    fn callers(&self, page: &mut String) {
        let Some(report) = &self.callers else { return };
        let Callers {
            callers,
            rounds,
            token_requests,
            last_caller_late_ms,
        } = report;
        line(
            page,
            &format!(
                "\n### `callers`\n\n{callers} callers come to a slot without a token, which takes 50 ms to fetch. Late is the time from when the \
                 source hands it over until\nthe last caller has its answer; the median of {rounds} rounds.\n\n\
                 | token requests | last caller late by |\n| ---: | ---: |\n| {token_requests} | {last_caller_late_ms:.2} ms |"
            ),
        );
    }
}

const TAKES_ALL: &str = "a string takes everything";

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let figures = [
            ("admit", "governor", 40.0),
            ("pair", "tollgate", 60.0),
            ("pair", "governor", 40.0),
            ("a_new_one", "something", 7.0),
            ("get_empty", "tollgate", 700.0),
            ("get_empty", "bare", 100.0),
            ("get_empty", "reqwest_retry", 2000.0),
            ("get_empty", "reqwest_bare", 1000.0),
            ("static_key", "bare", 100.0),
            ("static_key", "attach_only", 180.0),
            ("static_key", "add_authorization", 150.0),
        ];
        let waiting = r#"{"waiters": 4000, "limit": 100, "window_ms": 200, "limiters": [
            {"limiter": "tollgate", "cpu_us_per_grant": 5.0, "polls_per_grant": 2.5, "out_of_order": 0.0},
            {"limiter": "tower_buffer_rate_limit", "cpu_us_per_grant": 4.0, "polls_per_grant": 2.0, "out_of_order": 0.5}
        ]}"#;
        let callers =
            r#"{"callers": 1000, "rounds": 21, "token_requests": 1, "last_caller_late_ms": 3.5}"#;
        Page {
            measured: figures.into_iter().collect(),
            instructions: Some(Instructions::parse(r#"{"pair/tollgate": 300}"#).unwrap()),
            waiting: Some(Waiting::parse(waiting).unwrap()),
            callers: Some(Callers::parse(callers).unwrap()),
            machine: Machine {
                cpu: "some CPU".to_owned(),
                cores: 2,
                system: "linux x86_64".to_owned(),
                rustc: "1.88.0".to_owned(),
            },
        }
    }

    #[test]
    fn each_goal_says_plainly_whether_it_is_met() {
        let page = page().render();
        for expected in [
            "| `pair/tollgate` ÷ `admit/governor` | 2.00 | 1.500 | met |",
            "| `layer/tollgate` ÷ `layer/throttle_net` | 0.35 | – | not measured |",
            "| CPU a waiter, `tollgate` ÷ `tower_buffer_rate_limit` | 0.90 | 1.250 | **missed** |",
            "| polls a waiter, `tollgate` | 3.00 | 2.500 | met |",
            "| (`get_empty/tollgate` − `get_empty/bare`) ÷ (`get_empty/reqwest_retry` − `get_empty/reqwest_bare`) | 0.70 | 0.600 | met |",
            "| (`static_key/attach_only` − `static_key/bare`) ÷ (`static_key/add_authorization` − `static_key/bare`) | 1.60 | 1.600 | met |",
            "| token requests, callers on an empty slot | 1.00 | 1.000 | met |",
            "| last of these callers, ms after the token | 3.00 | 3.500 | **missed** |",
        ] {
            assert!(page.contains(expected), "no {expected} in:\n{page}");
        }
    }

    #[test]
    fn a_group_compares_with_its_peer_and_shows_instructions_where_they_were_counted() {
        let page = page().render();
        let expected = "\
| | ns | 95 % | ÷ `governor` | instructions |
| --- | ---: | ---: | ---: | ---: |
| `governor` | 40.0 | 39.0 – 42.0 | 1.00 | – |
| `tollgate` | 60.0 | 59.0 – 62.0 | 1.50 | 300 |
";
        assert!(page.contains(expected), "{page}");
    }

    #[test]
    fn each_bench_has_a_section_and_an_unknown_group_comes_last() {
        let page = page().render();
        let headings: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("## ") || line.starts_with("### "))
            .collect();
        let expected = [
            "## `limiter`",
            "### Goals",
            "### `admit`",
            "### `pair`",
            "### `waiters`",
            "## `retry`",
            "### Goals",
            "### `get_empty`",
            "## `credentials`",
            "### Goals",
            "### `static_key`",
            "### `callers`",
            "## Others",
            "### `a_new_one`",
        ];
        assert_eq!(headings, expected);
    }

    #[test]
    fn the_same_figures_make_the_same_page() {
        assert_eq!(page().render(), page().render());
    }
}
