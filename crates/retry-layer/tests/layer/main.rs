//! The layer through its public face.

mod bodies;
mod borrowed;
mod cancellation;
mod earlier;
mod gates;
mod keys;
mod outcomes;
mod permits;
mod renewal;
mod replay_body;
mod streams;
mod support;
mod time;
#[cfg(feature = "hyper")]
mod wire;
