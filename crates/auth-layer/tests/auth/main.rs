//! The layers through their public face.

mod demand;
mod keeper;
mod life;
mod order;
mod outage;
mod queue;
mod refusals;
mod single_flight;
mod support;
mod tables;
mod unauthorized;
mod wire;
