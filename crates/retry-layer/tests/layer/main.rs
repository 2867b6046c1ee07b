//! The layer through its public face.

mod bodies;
mod borrowed;
mod budgets;
mod cancellation;
mod classes;
#[cfg(feature = "hyper")]
mod clients;
mod earlier;
mod gates;
mod info;
mod keys;
mod outcomes;
mod permits;
mod pieces;
mod renewal;
mod replay_body;
mod streams;
mod support;
mod time;
#[cfg(feature = "hyper")]
mod wire;
