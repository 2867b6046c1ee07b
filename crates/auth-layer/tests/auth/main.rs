//! The layers through their public face.

mod clocks;
mod company;
mod demand;
mod handles;
mod instead;
mod keeper;
mod keys;
mod life;
mod load;
#[path = "../store/log.rs"]
mod log;
mod logs;
mod order;
mod outage;
mod permits;
mod queue;
mod refusals;
mod single_flight;
mod skew;
mod support;
mod tables;
mod tenants;
mod unauthorized;
mod wire;
