//! What became of all trades, as a table and as JSON.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use sandbox::Dropped;
use serde::Serialize;

use crate::trades::args::Args;
use crate::trades::book::{Ending, Trade, Wrong};

/// What was counted over all trades.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Attempts for which there was a connection, which took no more requests.
    pub undispatched: u64,
    /// Attempts that took too long.
    pub timed_out: u64,
    /// Attempts of which the peer said that it had not processed them.
    pub claimed: u64,
    /// Replays of the retry layer.
    pub retries: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// One run: both sides of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What the client spoke.
    pub protocol: &'static str,
    /// What was between client and server.
    pub through: Option<&'static str>,
    /// Who repeated requests.
    pub retries_by: &'static str,
    /// Whether the trades had idempotency keys.
    pub key: bool,
    /// Whether refused streams were believed.
    pub trust_refusals: bool,
    /// The seed.
    pub seed: u64,
    /// Trades that were to be sent.
    pub trades_wanted: u64,
    /// Trades that ended, in one way or another.
    pub trades: u64,
    /// Trades that ended well for their callers.
    pub succeeded: u64,
    /// Trades that ended with another answer.
    pub refused: u64,
    /// Trades of which their callers do not know whether they were carried out: something left, and there was no answer.
    pub unknown: u64,
    /// Trades that the server carried out.
    pub executed: u64,
    /// Trades that the server carried out more than once.
    pub executed_twice: u64,
    /// Trades without a key that reached the server more than once.
    pub sent_again_without_proof: u64,
    /// Trades of which nothing ever left, and that failed.
    pub never_left_that_failed_in_the_end: u64,
    /// Trades that reached the server by an attempt that provably never left.
    pub proof_refuted: u64,
    /// Trades that succeeded and were not carried out.
    pub succeeded_without_execution: u64,
    /// Trades with a key that did not succeed.
    pub keyed_and_failed: u64,
    /// Attempts that were handed to the client.
    pub attempts: u64,
    /// Attempts beyond the first of each trade.
    pub replays: u64,
    /// Replays that the retry layer says that it made.
    pub replays_by_the_layer: u64,
    /// Attempts that provably never left.
    pub never_left: u64,
    /// Of these: a connection was there, and took no more requests.
    pub undispatched: u64,
    /// Attempts that took too long.
    pub timed_out: u64,
    /// Attempts of which the peer said that it had not processed them: true or not.
    pub claimed_unprocessed: u64,
    /// Requests that reached the server.
    pub arrived: u64,
    /// Answers that a key repeated without work.
    pub answers_repeated: u64,
    /// Connections that the server dropped before, during and after its work.
    pub dropped: Dropped,
    /// 5xx that the server answered.
    pub server_errors: u64,
    /// Connections that the server retired.
    pub retired: u64,
    /// For how many seconds it went.
    pub elapsed_s: f64,
    /// Whether nothing keeps the report from being clean.
    pub clean: bool,
    /// What does.
    pub not_clean_because: Vec<String>,
}

impl Report {
    /// Joins what both sides know.
    #[must_use]
    pub fn new(
        args: Args,
        trades: impl Iterator<Item = Trade>,
        server: &sandbox::Report,
        totals: Totals,
    ) -> Self {
        let mut report = Self {
            protocol: args.protocol.name(),
            through: args.through_haproxy.then_some("haproxy"),
            retries_by: if args.naive { "naive" } else { "tollgate" },
            key: args.key,
            trust_refusals: args.trust_refusals,
            seed: args.seed,
            trades_wanted: args.trades.into(),
            replays_by_the_layer: totals.retries,
            undispatched: totals.undispatched,
            timed_out: totals.timed_out,
            claimed_unprocessed: totals.claimed,
            answers_repeated: server.trades_replayed,
            dropped: server.dropped.clone(),
            server_errors: server.status_5xx,
            retired: server.retired,
            elapsed_s: totals.elapsed.as_secs_f64(),
            ..Self::default()
        };
        for trade in trades {
            report.add(&trade);
        }
        report.not_clean_because = report.judge();
        report.clean = report.not_clean_because.is_empty();
        report
    }

    fn add(&mut self, trade: &Trade) {
        self.trades += 1;
        match trade.ending {
            Ending::Succeeded => self.succeeded += 1,
            Ending::Refused => self.refused += 1,
            Ending::Failed => self.unknown += u64::from(trade.is_unknown()),
        }
        self.executed += u64::from(trade.server.executed > 0);
        self.arrived += trade.server.arrived;
        self.attempts += u64::from(trade.attempts);
        self.replays += u64::from(trade.attempts.saturating_sub(1));
        self.never_left += u64::from(trade.never_left);
        for wrong in trade.wrongs() {
            *match wrong {
                Wrong::ExecutedTwice => &mut self.executed_twice,
                Wrong::SentAgainWithoutProof => &mut self.sent_again_without_proof,
                Wrong::NeverLeftAndFailed => &mut self.never_left_that_failed_in_the_end,
                Wrong::ProofRefuted => &mut self.proof_refuted,
                Wrong::NotExecuted => &mut self.succeeded_without_execution,
                Wrong::KeyedAndFailed => &mut self.keyed_and_failed,
            } += 1;
        }
    }

    fn judge(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (trades, what) in [
            (self.executed_twice, "were carried out twice"),
            (
                self.sent_again_without_proof,
                "without a key reached the server more than once",
            ),
            (
                self.never_left_that_failed_in_the_end,
                "failed though nothing of them ever left",
            ),
            (
                self.proof_refuted,
                "reached the server though they provably had not left",
            ),
            (
                self.succeeded_without_execution,
                "succeeded without being carried out",
            ),
            (self.keyed_and_failed, "had a key and failed"),
            (
                self.trades_wanted - self.trades,
                "have no end: a caller panicked",
            ),
        ] {
            if trades > 0 {
                faults.push(format!("{trades} trades {what}"));
            }
        }
        // A run in which nothing went wrong shows nothing.
        for (times, what) in [
            (self.never_left, "attempt stayed here"),
            (
                self.dropped.before,
                "connection was dropped before the work",
            ),
            (
                self.dropped.during,
                "connection was dropped during the work",
            ),
            (self.dropped.after, "connection was dropped after the work"),
            (self.timed_out, "attempt took too long"),
            (self.server_errors, "request was answered with a 5xx"),
            (self.retired, "connection was retired"),
        ] {
            if times == 0 {
                faults.push(format!("no {what}: send more trades"));
            }
        }
        faults
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
        println!("\nAs the callers saw it");
        row("trades", self.trades);
        row("succeeded", self.succeeded);
        row("refused", self.refused);
        row("unknown", self.unknown);
        row(
            "never left, and failed",
            self.never_left_that_failed_in_the_end,
        );
        println!("\nAs the client saw it");
        row("attempts", self.attempts);
        row("never left", self.never_left);
        row("not dispatched", self.undispatched);
        row("timed out", self.timed_out);
        row("refused, says the peer", self.claimed_unprocessed);
        println!("\nAs the server saw it");
        row("requests", self.arrived);
        row("dropped before", self.dropped.before);
        row("dropped during", self.dropped.during);
        row("dropped after", self.dropped.after);
        row("answered 5xx", self.server_errors);
        row("connections retired", self.retired);
        row("answers repeated", self.answers_repeated);
        row("trades carried out", self.executed);
        row("trades carried out twice", self.executed_twice);
        row("elapsed", format!("{:.1} s", self.elapsed_s));
        if self.clean {
            println!("\nclean");
        } else {
            println!("\nnot clean: {}", self.not_clean_because.join("; "));
        }
    }
}

fn row(name: &str, value: impl Display) {
    println!("{name:<26}{value:>14}");
}

#[cfg(test)]
mod tests {
    use sandbox::TradeReport;

    use super::*;

    fn report(args: Args, trades: impl Iterator<Item = Trade>, server: &sandbox::Report) -> Report {
        let totals = Totals {
            undispatched: 0,
            timed_out: 1,
            claimed: 0,
            retries: 0,
            elapsed: Duration::from_secs(1),
        };
        Report::new(args, trades, server, totals)
    }

    fn trade() -> Trade {
        Trade {
            key: false,
            ending: Ending::Succeeded,
            attempts: 2,
            never_left: 1,
            server: TradeReport {
                arrived: 1,
                executed: 1,
            },
        }
    }

    fn stormy() -> sandbox::Report {
        sandbox::Report {
            dropped: Dropped {
                before: 1,
                during: 1,
                after: 1,
                cut: 0,
            },
            status_5xx: 1,
            retired: 1,
            ..sandbox::Report::default()
        }
    }

    #[test]
    fn a_run_in_which_all_went_wrong_that_can_and_no_trade_did_is_clean() {
        let args = Args {
            trades: 3,
            ..Args::default()
        };
        let clean = report(args, (0..3).map(|_| trade()), &stormy());
        assert!(clean.clean, "{:?}", clean.not_clean_because);
        assert_eq!((clean.attempts, clean.replays, clean.never_left), (6, 3, 3));
        assert_eq!((clean.succeeded, clean.executed, clean.arrived), (3, 3, 3));
    }

    #[test]
    fn a_run_in_which_nothing_went_wrong_shows_nothing() {
        let args = Args {
            trades: 1,
            ..Args::default()
        };
        let calm = report(args, [trade()].into_iter(), &sandbox::Report::default());
        assert_eq!(calm.not_clean_because.len(), 5, "{calm:?}");
    }

    #[test]
    fn trades_without_an_end_and_trades_carried_out_twice_are_told() {
        let args = Args {
            trades: 3,
            ..Args::default()
        };
        let mut twice = trade();
        twice.server.executed = 2;
        let report = report(args, [trade(), twice].into_iter(), &stormy());
        assert_eq!(
            report.not_clean_because,
            [
                "1 trades were carried out twice",
                "1 trades have no end: a caller panicked"
            ]
        );
    }
}
