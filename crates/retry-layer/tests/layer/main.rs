//! The layer through its public face.

mod bodies;
mod borrowed;
mod budgets;
mod cancellation;
mod classes;
#[cfg(feature = "hyper")]
mod clients;
mod gates;
mod info;
mod outcomes;
mod permits;
mod pieces;
mod renewal;
mod support;
mod time;
#[cfg(feature = "hyper")]
mod wire;
