//! The layers through their public face.

mod demand;
mod life;
mod order;
mod refusals;
mod single_flight;
mod support;
mod unauthorized;
mod wire;
