//! What the examples share. The runs themselves are beside it, a file a journey.

pub mod args;
pub mod client;
pub mod exit;
pub mod pace;
pub mod progress;
pub mod report;
pub mod soak;
pub mod tally;
pub mod toromarket_run;
pub mod torque_run;
pub mod trades;
