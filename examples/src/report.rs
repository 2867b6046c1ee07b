//! What a run is judged by, as a table and as JSON.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::args::{Args, Part};
use crate::tally::Outcomes;

/// Classes whose calls may fail in a clean run: they carry nothing that would make it safe to repeat them.
pub const MAY_FAIL: [&str; 1] = ["trade, no key"];

/// What the layers say of themselves.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Layers {
    /// Tokens fetched after the first of each slot.
    pub renewals: u64,
    /// Calls that waited for a place.
    pub waits: u64,
    /// Attempts beyond the first of a call.
    pub retries: u64,
}

/// One run: both sides of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which run.
    pub run: &'static str,
    /// The layer that was left out, if any.
    pub without: Option<&'static str>,
    /// Calls that callers made, and that came back to them in one way or another.
    pub calls: u64,
    /// Calls that were to be made.
    pub calls_wanted: u64,
    /// Requests that the server saw.
    pub requests: u64,
    /// Requests that the server answered 429.
    pub status_429: u64,
    /// The most requests that the server accepted for one key in any rolling window.
    pub peak_in_window: u64,
    /// The same, with those that it answered 429.
    pub peak_offered: u64,
    /// The server's limit for one key in one window.
    pub limit: u64,
    /// Tokens fetched after the first of each slot.
    pub renewals: u64,
    /// Requests that came with another credential than their route wants.
    pub wrong_credential: u64,
    /// Trades that the server carried out more than once.
    pub duplicate_trades: u64,
    /// The class that trades are counted under.
    #[serde(skip)]
    pub trades_class: &'static str,
    /// Trades that the callers wanted.
    pub trades: u64,
    /// Trades for which the caller got no success.
    pub trades_failed: u64,
    /// Calls that waited for a place.
    pub waits: u64,
    /// Attempts beyond the first of a call.
    pub retries: u64,
    /// Requests that the server answered 401.
    pub status_401: u64,
    /// Connections that the server dropped on purpose.
    pub dropped: u64,
    /// The run's length in seconds.
    pub elapsed_s: f64,
    /// Outcomes as the callers saw them, by class.
    pub classes: BTreeMap<&'static str, Outcomes>,
    /// Requests by route and credential, as the server saw them.
    pub routes: BTreeMap<String, BTreeMap<String, u64>>,
    /// Whether nothing keeps the report from being clean.
    pub clean: bool,
    /// What does.
    pub not_clean_because: Vec<String>,
}

impl Report {
    /// Joins the server's report and the client's counts.
    #[must_use]
    pub fn new(
        run: &'static str,
        args: &Args,
        server: &sandbox::Report,
        layers: Layers,
        classes: BTreeMap<&'static str, Outcomes>,
        trades: &'static str,
        elapsed: Duration,
    ) -> Self {
        let wanted = classes.get(trades).cloned().unwrap_or_default();
        let made: u64 = classes.values().map(|outcomes| outcomes.calls).sum();
        let mut report = Self {
            run,
            without: args.without.map(Part::name),
            requests: server.requests,
            status_429: server.status_429,
            peak_in_window: server.peak_in_window,
            peak_offered: server.peak_offered,
            limit: server.limit,
            renewals: layers.renewals,
            wrong_credential: server.wrong_credential,
            duplicate_trades: server.duplicate_trades,
            trades_class: trades,
            trades: wanted.calls,
            trades_failed: wanted.calls - wanted.succeeded,
            waits: layers.waits,
            retries: layers.retries,
            status_401: server.status_401,
            dropped: server.dropped.total(),
            elapsed_s: elapsed.as_secs_f64(),
            classes,
            routes: named(server),
            clean: false,
            calls: made,
            calls_wanted: args.requests.into(),
            not_clean_because: Vec::new(),
        };
        report.not_clean_because = report.judge();
        report.clean = report.not_clean_because.is_empty();
        report
    }

    fn judge(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, text: String| {
            if wrong {
                faults.push(text);
            }
        };
        fault(
            self.status_429 > 0,
            format!("{} answers 429", self.status_429),
        );
        fault(
            self.calls != self.calls_wanted,
            format!(
                "{} calls of {}: a caller panicked",
                self.calls, self.calls_wanted
            ),
        );
        fault(
            self.wrong_credential > 0,
            format!("{} requests with a wrong credential", self.wrong_credential),
        );
        fault(
            self.duplicate_trades > 0,
            format!("{} trades executed twice", self.duplicate_trades),
        );
        fault(
            self.trades_failed > 0,
            format!("{} of {} trades failed", self.trades_failed, self.trades),
        );
        fault(
            self.renewals < 3,
            format!("{} renewals, where at least 3 were due", self.renewals),
        );
        for (class, outcomes) in &self.classes {
            let lost = outcomes.calls - outcomes.succeeded;
            fault(
                lost > 0 && !MAY_FAIL.contains(class) && *class != self.trades_class,
                format!("{lost} of {} calls failed: {class}", outcomes.calls),
            );
        }
        fault(
            self.peak_offered > self.limit || self.peak_in_window * 10 < self.limit * 9,
            format!("peak {} at a limit of {}", self.peak_in_window, self.limit),
        );
        faults
    }

    /// Prints the report, and turns it into the program's exit code: 0 where it is clean.
    pub fn finish(&self, json: bool) -> Result<ExitCode, serde_json::Error> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            self.print_table();
        }
        Ok(if self.clean {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn print_table(&self) {
        println!("\nAs the callers saw it");
        println!(
            "{:<14}{:>8}{:>11}{:>12}{:>10}  answers",
            "class", "calls", "succeeded", "never left", "unknown"
        );
        for (class, outcomes) in &self.classes {
            let refused: Vec<String> = outcomes
                .refused
                .iter()
                .map(|(status, n)| format!("{n} × {status}"))
                .collect();
            println!(
                "{class:<14}{:>8}{:>11}{:>12}{:>10}  {}",
                outcomes.calls,
                outcomes.succeeded,
                outcomes.never_left,
                outcomes.unknown,
                refused.join(", ")
            );
        }
        println!("\nAs the server saw it");
        println!("{:<44}{:>9}  credential", "route", "requests");
        for (route, credentials) in &self.routes {
            for (credential, requests) in credentials {
                println!("{route:<44}{requests:>9}  {credential}");
            }
        }
        println!();
        for (name, value) in [
            ("requests", self.requests.to_string()),
            ("answers 429", self.status_429.to_string()),
            (
                "peak offered, accepted",
                format!(
                    "{}, {} of {}",
                    self.peak_offered, self.peak_in_window, self.limit
                ),
            ),
            ("wrong credential", self.wrong_credential.to_string()),
            ("answers 401", self.status_401.to_string()),
            ("renewals", self.renewals.to_string()),
            ("waits for a place", self.waits.to_string()),
            ("retries", self.retries.to_string()),
            ("connections dropped", self.dropped.to_string()),
            (
                "trades failed",
                format!("{} of {}", self.trades_failed, self.trades),
            ),
            ("trades executed twice", self.duplicate_trades.to_string()),
            ("elapsed", format!("{:.1} s", self.elapsed_s)),
        ] {
            println!("{name:<24}{value:>12}");
        }
        match (self.clean, self.without) {
            (true, _) => println!("\nclean"),
            (false, Some(part)) => {
                println!(
                    "\nnot clean without {part}: {}",
                    self.not_clean_because.join("; ")
                );
            }
            (false, None) => println!("\nnot clean: {}", self.not_clean_because.join("; ")),
        }
    }
}

/// The server's routes, with the names of the credentials that came.
fn named(server: &sandbox::Report) -> BTreeMap<String, BTreeMap<String, u64>> {
    let name = |credential: &sandbox::Credential| {
        serde_json::to_value(credential)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_else(|| format!("{credential:?}"))
    };
    let routes = server.routes.iter();
    routes
        .map(|(route, by)| {
            (
                route.clone(),
                by.iter().map(|(c, n)| (name(c), *n)).collect(),
            )
        })
        .collect()
}
