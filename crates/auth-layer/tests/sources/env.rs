//! Tokens from the environment.

use std::process::Command;

use auth_layer::{Reason, Slot, source_env};

use crate::support::{chain, client, origin, refused, send};

fn slot(name: &str) -> Slot {
    Slot::token("business", source_env(name)).origin(origin())
}

#[tokio::test]
async fn a_variable_that_is_set_is_sent() {
    // Cargo sets it for every test.
    let (_, _, client) = client(slot("CARGO_PKG_NAME"));
    assert_eq!(send(&client).await.expect("an answer"), "Bearer auth-layer");
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_a_refusal_for_good_that_names_it() {
    let (auth, _, client) = client(slot("TOLLGATE_TEST_NEVER_SET"));
    for _ in 0..2 {
        let error = send(&client).await.expect_err("a refusal");
        assert_eq!(refused(&error).reason(), Reason::Refused);
        let text = chain(&*error);
        assert!(
            text.contains("`TOLLGATE_TEST_NEVER_SET` is not set"),
            "{text}"
        );
        assert!(text.contains("business"), "{text}");
    }
    let counts = auth.token("business").expect("a token slot").counts();
    assert_eq!(counts.fetches, 1);
}

/// Run by the next test, in a process whose environment it sets.
#[tokio::test]
async fn what_the_variable_of_the_test_below_holds_is_refused_without_an_echo() {
    let (_, _, client) = client(slot("TOLLGATE_TEST_LINE_BREAK"));
    let text = chain(&*send(&client).await.expect_err("a refusal"));
    assert!(!text.contains("canary"), "{text}");
    if std::env::var_os("TOLLGATE_TEST_LINE_BREAK").is_some() {
        assert!(text.contains("line break"), "{text}");
    }
}

#[test]
fn a_line_break_at_the_end_of_a_variable_is_not_sent_and_not_shown() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .env("TOLLGATE_TEST_LINE_BREAK", "canary-7f3a\n")
        .args([
            "--exact",
            "env::what_the_variable_of_the_test_below_holds_is_refused_without_an_echo",
        ])
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}
