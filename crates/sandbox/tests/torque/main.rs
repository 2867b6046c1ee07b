//! Torque through a real HTTP client.

#[path = "../common/mod.rs"]
mod common;
mod connect;
mod control;
mod credentials;
mod executing;
mod quota;
mod reading;

use std::time::Duration;

use sandbox::{Torque, TorqueConfig};

use crate::common::Client;

const HOUR: Duration = Duration::from_secs(3600);

async fn start(config: TorqueConfig) -> (Torque, Client) {
    let torque = Torque::start(config).await.expect("a free port");
    let client = Client::new(torque.base_url());
    (torque, client)
}

async fn plain() -> (Torque, Client) {
    start(TorqueConfig::default()).await
}
