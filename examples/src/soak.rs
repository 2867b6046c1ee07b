//! A soak of the rate layer over real sockets.
//!
//! | module | what it does |
//! | --- | --- |
//! | `log` | the server's window, exact, and its peak, computed anew; pure |
//! | `weather` | what a request meets on its way; pure |
//! | `server`, `answer` | HTTP/1.1 on loopback around the two |
//! | `wire` | the client, and what is known of a call below the layer under test |
//! | `callers` | who calls, and how they give up |
//! | `run` | all of it for a time, and the end: no place may be missing |
//! | `tally`, `report`, `judge` | what was counted on both sides, and what is wrong with it |
//!
//! The server shares no code with the layer: a mistake in one cannot hide in the other.

pub mod answer;
pub mod args;
pub mod callers;
pub mod judge;
pub mod log;
pub mod report;
pub mod run;
pub mod server;
pub mod tally;
pub mod weather;
pub mod wire;
