//! What goes wrong, and how often.

use std::time::Duration;

use fastrand::Rng;
use sandbox::{Faults, Latency, Torque};
use tokio::time::sleep;

/// One dial in so many finds nobody listening.
pub const REFUSED: f64 = 0.2;

/// How long an attempt may take at most: longer than any does.
pub const PATIENT: Duration = Duration::from_secs(10);

/// How long some attempts may take, of which a good part takes longer.
pub const IMPATIENT: Duration = Duration::from_millis(15);

/// Whether an attempt is one of these: one in twenty-five is.
pub fn impatient(dice: &mut Rng) -> bool {
    dice.f64() < 0.04
}

/// How often closed connections become reset ones, and the other way round.
const TURN: Duration = Duration::from_millis(100);

/// What the server does wrong.
#[must_use]
pub fn faults(reset: bool) -> Faults {
    let way = Latency::LogNormal {
        median: Duration::from_millis(5),
        p99: Duration::from_millis(100),
    };
    Faults {
        latency_before: way,
        latency_after: way,
        server_error: 0.01,
        server_error_after: 0.01,
        drop_before: 0.02,
        drop_during: 0.02,
        drop_after: 0.02,
        retire: 0.05,
        reset,
        ..Faults::none()
    }
}

/// Lets the server close broken connections and reset them by turns. Never ends.
pub async fn change(server: &Torque) {
    for turn in 1_u64.. {
        sleep(TURN).await;
        server.set_faults(faults(turn % 2 == 1));
    }
}
