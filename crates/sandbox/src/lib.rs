//! Torque and Toromarket as local servers, with faults on demand.
//!
//! Two systems that a client can be tried against without an account: [`Torque`] counts per business key and checks
//! which credential comes on which route, [`Toromarket`] hands out tokens and states its limit on every answer. Both
//! listen on the loopback address only, do wrong on purpose what [`Faults`] says, and keep a [`Report`] of what they
//! saw. They speak HTTP/1.1 and, with the feature `http2`, HTTP/2 by prior knowledge.
//!
//! Nothing here shares code with the layers under test: a mistake in one side cannot hide in the other.
//!
//! ```
//! use std::time::Duration;
//!
//! use sandbox::{Faults, Torque, TorqueConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let torque = Torque::start(TorqueConfig {
//!     limit: 20,
//!     window: Duration::from_secs(2),
//!     faults: Faults::network(),
//!     ..TorqueConfig::default()
//! })
//! .await?;
//! println!("{} with {}", torque.base_url(), torque.business_key());
//!
//! assert_eq!(torque.report().requests, 0);
//! torque.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Where the published facts about the two systems end, the sandbox had to choose; each choice is marked as one where
//! it is made, and nothing should be concluded from it about the real systems.

mod answer;
mod call;
mod clock;
mod common;
mod control;
mod endpoint;
mod exchange;
mod faults;
mod latency;
mod ledger;
mod quota;
mod report;
mod rs256;
mod server;
mod socket;
mod tokens;
mod toromarket;
mod torque;
mod trades;
pub mod window;

pub use faults::Faults;
pub use latency::{Latency, ParseLatencyError, parse_duration};
pub use report::{Credential, Dropped, KeyReport, Refused, Report, TradeReport};
pub use toromarket::{Toromarket, ToromarketConfig};
pub use torque::{PortfolioCredential, Torque, TorqueConfig};
