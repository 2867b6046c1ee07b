//! What a soak is judged by, as a table and as JSON.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tollgate::rate::Counts;

use crate::soak::args::Args;
use crate::soak::judge::faults;
use crate::soak::run::{LIMIT, WINDOW};
use crate::soak::server::Seen;
use crate::soak::tally::Endings;

/// What became of the places of the window.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Taken by requests in flight when every call had been given up.
    pub in_flight: u32,
    /// Requests that waited then.
    pub waiting: usize,
    /// Still taken when the last had to be free.
    pub still_taken: u32,
    /// Calls of the last volley that were served.
    pub served_at_once: usize,
    /// What the window says has happened.
    pub ledger: Counts,
    /// Calls that left the layer.
    pub departed: u64,
    /// Calls for which the layer was handed headers.
    pub answered: u64,
}

/// One soak: both sides of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The layer that was left out, if any.
    pub without: Option<&'static str>,
    /// The seed.
    pub seed: u64,
    /// The server's limit in one window.
    pub limit: usize,
    /// The server's window in seconds.
    pub window_s: f64,
    /// For how many seconds the callers called.
    pub elapsed_s: f64,
    /// Requests that the server saw.
    pub requests: u64,
    /// Requests that the server rejected.
    pub status_429: usize,
    /// The most requests that the server counted in any window.
    pub peak_in_window: usize,
    /// The same, with those that it rejected.
    pub peak_offered: usize,
    /// Requests that the server counted, for each second of the callers.
    pub accepted_per_s: f64,
    /// What the limit allows.
    pub ideal_per_s: f64,
    /// The first as a share of the second.
    pub share_of_limit: f64,
    /// Connections that broke before their request was counted, and it never was.
    pub lost_uncounted: u64,
    /// Connections that broke before their request was counted all the same.
    pub lost_counted_late: u64,
    /// Connections that broke after their request was counted, before its headers.
    pub lost_counted: u64,
    /// Answers of which the server held a part of the body back.
    pub cut: u64,
    /// The longest time in milliseconds from a request's arrival to the moment at which it was counted.
    pub latest_count_ms: u128,
    /// Requests that the server was not done with at the end.
    pub at_work: u64,
    /// Requests that left the client.
    pub departed: u64,
    /// Callers that panicked.
    pub panicked: u64,
    /// Calls that were given up, at whatever stage.
    pub cancelled: u64,
    /// How calls ended for their callers.
    pub endings: Endings,
    /// Places that requests got.
    pub places_admitted: u64,
    /// Of these: the headers arrived.
    pub places_answered: u64,
    /// Of these: given up, or broken, on the way.
    pub places_abandoned: u64,
    /// Of these: the request never left.
    pub places_given_back: u64,
    /// Places that requests still held when all had been given up.
    pub in_flight_at_end: u32,
    /// Requests that still waited then.
    pub waiting_at_end: usize,
    /// Places that were still taken when the last had to be free.
    pub taken_after_grace: u32,
    /// Calls, of as many as the limit, that were then served at once.
    pub served_at_once: usize,
    /// Whether nothing keeps the report from being clean.
    pub clean: bool,
    /// What does.
    pub not_clean_because: Vec<String>,
}

impl Report {
    /// Joins what both sides counted.
    #[must_use]
    pub fn new(
        args: Args,
        server: &Seen,
        endings: Endings,
        places: Places,
        accepted: usize,
        panicked: u64,
        elapsed: Duration,
    ) -> Self {
        let accepted_per_s = accepted as f64 / elapsed.as_secs_f64();
        let ideal_per_s = f64::from(LIMIT) / WINDOW.as_secs_f64();
        let mut report = Self {
            without: args.without_rate.then_some("rate"),
            seed: args.seed,
            limit: LIMIT as usize,
            window_s: WINDOW.as_secs_f64(),
            elapsed_s: elapsed.as_secs_f64(),
            requests: server.requests,
            status_429: server.log.rejected(),
            peak_in_window: server.log.peak(),
            peak_offered: server.log.peak_offered(),
            accepted_per_s,
            ideal_per_s,
            share_of_limit: accepted_per_s / ideal_per_s,
            lost_uncounted: server.lost_uncounted,
            lost_counted_late: server.lost_counted_late,
            lost_counted: server.lost_counted,
            cut: server.cut,
            latest_count_ms: server.latest_count.as_millis(),
            at_work: server.at_work,
            departed: places.departed,
            panicked,
            cancelled: endings.given_up(),
            endings,
            places_admitted: places.ledger.admitted,
            places_answered: places.answered,
            places_abandoned: places.ledger.abandoned,
            places_given_back: places.ledger.given_back,
            in_flight_at_end: places.in_flight,
            waiting_at_end: places.waiting,
            taken_after_grace: places.still_taken,
            served_at_once: places.served_at_once,
            clean: false,
            not_clean_because: Vec::new(),
        };
        report.not_clean_because = faults(&report);
        report.clean = report.not_clean_because.is_empty();
        report
    }

    /// Prints the report, and turns it into the program's exit code: 0 where it is clean.
    ///
    /// # Errors
    ///
    /// Never, as far as is known: it is what the JSON writer may say.
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
        let ended = &self.endings;
        println!("\nAs the server saw it");
        row("requests", self.requests);
        row("answers 429", self.status_429);
        let peaks = (self.peak_offered, self.peak_in_window, self.limit);
        row(
            "peak offered, accepted",
            format!("{}, {} of {}", peaks.0, peaks.1, peaks.2),
        );
        let share = self.share_of_limit * 100.0;
        row(
            "accepted a second",
            format!("{:.2}, {share:.1} %", self.accepted_per_s),
        );
        row("lost, never counted", self.lost_uncounted);
        row("lost, counted late", self.lost_counted_late);
        row("lost, counted", self.lost_counted);
        row("cut in the body", self.cut);
        row("latest count", format!("{} ms", self.latest_count_ms));
        println!("\nAs the callers saw it");
        row("whole answers", ended.whole);
        row("cut answers", ended.cut);
        row("broken connections", ended.broken);
        row("no headers in time", ended.late);
        row("never left", ended.never_left);
        row("given up waiting", ended.given_up_waiting);
        row("given up in flight", ended.given_up_in_flight);
        row("given up in the body", ended.given_up_in_body);
        row("by another thread", ended.by_another_thread);
        println!("\nPlaces");
        row("admitted", self.places_admitted);
        row("answered", self.places_answered);
        row("abandoned", self.places_abandoned);
        row("given back", self.places_given_back);
        row("in flight at the end", self.in_flight_at_end);
        row("waiting at the end", self.waiting_at_end);
        row("taken after the grace", self.taken_after_grace);
        row(
            "served at once then",
            format!("{} of {}", self.served_at_once, self.limit),
        );
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

fn row(name: &str, value: impl Display) {
    println!("{name:<24}{value:>16}");
}
