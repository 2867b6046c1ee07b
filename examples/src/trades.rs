//! Trades over real sockets that break in every way, and what became of each of them.
//!
//! | module | what it does |
//! | --- | --- |
//! | `weather` | what goes wrong, and how often |
//! | `dialer` | connections, of which some are refused for real |
//! | `patience` | attempts that are given up before their answer comes |
//! | `probe` | sees each attempt below all layers, and knows without them whether it can have left |
//! | `naive` | the control: whatever fails is repeated |
//! | `haproxy` | a proxy of the real world between client and server |
//! | `run` | all of it, until every trade has ended |
//! | `book` | what both sides know of one trade, and what is wrong with it; pure |
//! | `report` | the sum of it |
//!
//! The server shares no code with the layers, and the probe asks neither of them: a mistake in one cannot hide in the
//! other.

pub mod args;
pub mod book;
pub mod dialer;
pub mod haproxy;
pub mod naive;
pub mod patience;
pub mod probe;
pub mod report;
pub mod run;
pub mod weather;
