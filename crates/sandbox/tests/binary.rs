//! The binary: what it prints, and how it refuses.
#![cfg(feature = "cli")]

mod common;

use std::process::Stdio;

use common::Client;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

fn sandbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts it and reads the base URL from its first line.
async fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = sandbox(arguments).spawn().expect("the binary runs");
    let stdout = child.stdout.as_mut().expect("it is piped");
    let mut first = String::new();
    BufReader::new(stdout)
        .read_line(&mut first)
        .await
        .expect("a line");
    let url = first
        .split([' ', ','])
        .find(|word| word.starts_with("http://"))
        .expect("a URL");
    (child, url.to_owned())
}

#[tokio::test]
async fn torque_answers_where_it_says() {
    let (_child, url) = start(&[
        "torque",
        "--port",
        "0",
        "--limit",
        "1",
        "--key",
        "sk_live_mine",
    ])
    .await;
    let client = Client::new(url);
    let feed = || {
        client
            .get("/intelligence/feed")
            .bearer("sk_live_mine")
            .send()
    };
    assert_eq!(feed().await.status, 200);
    assert_eq!(feed().await.status, 429);
}

#[tokio::test]
async fn toromarket_knows_the_agent_that_it_names() {
    let (_child, url) = start(&["toromarket", "--port", "0"]).await;
    let body = json!({ "email": "agent@example.com", "password": "sandbox-password" });
    let reply = Client::new(url).post("/auth/login").json(body).send().await;
    assert!(reply.json()["data"]["token"].is_string());
}

#[tokio::test]
async fn flags_set_faults() {
    let (_child, url) = start(&["torque", "--port", "0", "--server-error", "1"]).await;
    let reply = Client::new(url).get("/capabilities").send().await;
    assert_eq!(reply.code(), "CONFIG_ERROR");
}

#[tokio::test]
async fn a_busy_port_and_an_impossible_probability_are_refused_in_words() {
    let (_child, url) = start(&["torque", "--port", "0"]).await;
    let port = url
        .trim_end_matches("/api/v1")
        .rsplit(':')
        .next()
        .expect("a port");
    let rows = [
        (["--port", port], format!("sandbox: port {port} is busy")),
        (
            ["--drop-after", "2"],
            "sandbox: probabilities are between 0 and 1".into(),
        ),
        (
            ["--latency-before", "soon"],
            "error: invalid value 'soon'".into(),
        ),
    ];
    for (flags, said) in rows {
        let output = sandbox(&[&["toromarket"], &flags[..]].concat())
            .output()
            .await
            .expect("the binary runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.starts_with(&said),
            "{stderr}"
        );
    }
}
