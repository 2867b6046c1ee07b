//! What thousands of waiting requests cost: CPU time, polls and order, for each grant.
//!
//! `cargo bench -p benches --bench waiters [-- --json] [--rounds 3] [NAME]`. In real time: 4000 requests wait in tasks of
//! their own, on two worker threads, while 100 are let through every 200 ms, until all are; so eight seconds for each limiter.
//!
//! - *CPU* is the process's, from the first spawn to the last answer, over the requests; all threads of it, since some
//!   limiters have their own for timers.
//! - *Polls* are those of the future that a caller awaits. Two are the least: one to stand in line, one to be let through.
//! - *Out of order* is the share of requests that were let through more than a window's worth earlier or later than they
//!   came.

mod crowd;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use benches::{Client, Flags, Pace, layers};

use crate::crowd::{Cost, Crowd};
use crate::report::Row;

const FULL: Crowd = Crowd {
    waiters: 4000,
    pace: Pace {
        limit: 100,
        window: Duration::from_millis(200),
    },
};
/// For a look at whether it works.
const TINY: Crowd = Crowd {
    waiters: 20,
    pace: Pace {
        limit: 5,
        window: Duration::from_millis(20),
    },
};

fn main() -> ExitCode {
    let flags = match Flags::read() {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("waiters: {error}");
            return ExitCode::FAILURE;
        }
    };
    let crowd = if flags.test { TINY } else { FULL };
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..flags.rounds.unwrap_or(1) {
        let mut note = |name, cost| report::note(&mut rows, name, cost);
        each(&flags, &crowd, &mut note);
    }
    if flags.json {
        println!("{}", report::json(&crowd, &rows));
    } else {
        print!("{}", report::table(&crowd, &rows));
    }
    ExitCode::SUCCESS
}

/// Has each limiter that is chosen let the crowd through, once.
fn each(flags: &Flags, crowd: &Crowd, note: &mut impl FnMut(&'static str, Cost)) {
    let pace = crowd.pace;
    let mut one = Round { flags, crowd, note };
    one.run("tollgate", || layers::tollgate(pace));
    one.run("governor", || layers::governor(pace));
    one.run("leaky_bucket", || layers::leaky_bucket(pace));
    one.run("throttle_net", || layers::throttle_net(pace));
    one.run("tower_resilience", || layers::tower_resilience(pace));
    one.run("tower_buffer_rate_limit", || {
        layers::tower_buffer_rate_limit(pace)
    });
}

struct Round<'a, N> {
    flags: &'a Flags,
    crowd: &'a Crowd,
    note: N,
}

impl<N: FnMut(&'static str, Cost)> Round<'_, N> {
    fn run<C: Client>(&mut self, name: &'static str, client: impl FnOnce() -> C) {
        if self.flags.choose(name) {
            (self.note)(name, self.crowd.pass(client));
        }
    }
}
