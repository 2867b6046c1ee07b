//! Starting and stopping.

mod common;

use std::{io, time::Duration};

use common::Client;
use sandbox::{Faults, Latency, Toromarket, ToromarketConfig, Torque, TorqueConfig};

#[tokio::test]
async fn a_busy_port_is_named_in_the_error() {
    let torque = Torque::start(TorqueConfig::default())
        .await
        .expect("a free port");
    let port = torque.addr().port();
    let config = ToromarketConfig {
        port,
        ..ToromarketConfig::default()
    };
    let error = Toromarket::start(config)
        .await
        .expect_err("the port is taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!(
            "port {port} is busy: stop what listens there, or choose another port (0 takes a free one)"
        )
    );
}

#[tokio::test]
async fn a_port_is_free_again_once_its_server_has_stopped() {
    let torque = Torque::start(TorqueConfig::default())
        .await
        .expect("a free port");
    let client = Client::new(torque.base_url());
    client.get("/capabilities").send().await;
    torque.stop().await;
    torque.stop().await;
    assert!(client.get("/capabilities").try_send().await.is_err());
    assert_eq!(torque.report().requests, 1);
    let again = TorqueConfig {
        port: torque.addr().port(),
        ..TorqueConfig::default()
    };
    assert!(Torque::start(again).await.is_ok());
}

#[tokio::test]
async fn dropping_a_server_stops_it() {
    let torque = Torque::start(TorqueConfig::default())
        .await
        .expect("a free port");
    let (url, client) = (torque.base_url(), Client::new(torque.base_url()));
    client.get("/capabilities").send().await;
    drop(torque);
    // The task ends at its next turn; until then a connection may still be taken, but not for long.
    while Client::new(&url)
        .get("/capabilities")
        .try_send()
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stopping_lets_a_request_in_flight_finish_but_does_not_wait_for_ever() {
    let slow = |latency| TorqueConfig {
        faults: Faults {
            latency_after: Latency::Fixed(latency),
            ..Faults::none()
        },
        ..TorqueConfig::default()
    };
    for (latency, finishes) in [
        (Duration::from_millis(300), true),
        (Duration::from_secs(50), false),
    ] {
        let torque = Torque::start(slow(latency)).await.expect("a free port");
        let client = Client::new(torque.base_url());
        let call =
            tokio::spawn(async move { client.get("/capabilities").try_send().await.is_ok() });
        while torque.report().requests == 0 {
            tokio::task::yield_now().await;
        }
        torque.stop().await;
        assert_eq!(call.await.expect("no panic"), finishes);
    }
}

#[tokio::test]
async fn two_servers_of_one_process_do_not_take_each_others_tokens() {
    let torque = Torque::start(TorqueConfig::default())
        .await
        .expect("a free port");
    let toromarket = Toromarket::start(ToromarketConfig::default())
        .await
        .expect("a free port");
    toromarket.add_agent("a@example.com", "a", "a password");
    let token = toromarket
        .mint_login("a@example.com", Duration::from_secs(60))
        .expect("a is known");
    let reply = Client::new(torque.base_url())
        .get("/accounts/wallet")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(reply.code(), "INVALID_TOKEN");
}
