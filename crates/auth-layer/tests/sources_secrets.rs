//! Secrets planted in every source and in every answer, looked for wherever something prints.
//!
//! A program of its own: a subscriber to all events must be in place before the first one.
#![cfg(feature = "oauth2")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "auth/support.rs"]
mod support;
#[expect(dead_code, reason = "shared with the other tests")]
#[path = "sources/token_server.rs"]
mod token_server;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use auth_layer::oauth::OAuthClient;
use auth_layer::{Grant, Slot, Source, source_env, source_file};
use tracing_subscriber::fmt::MakeWriter;

use support::{SECOND, chain, client, origin, send};
use token_server::{Reply, TokenServer, http, json, redirect};

const CANARY: &str = "canary-7f3a";

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Printed {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Printed {
    fn show(&self, what: &impl Debug) {
        self.add(&format!("{what:?} {what:#?}\n"));
    }

    fn add(&self, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(text.as_bytes());
    }

    /// What has been printed, which must hold all of `expected` and no secret.
    fn check(&self, expected: &[&str]) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&all);
        for expected in expected {
            assert!(text.contains(expected), "`{expected}` is missing in {text}");
        }
        if let Some(at) = text.find(CANARY) {
            let start = text[..at].rfind('\n').unwrap_or(0);
            panic!("a secret is printed: {}", &text[start..at + CANARY.len()]);
        }
    }
}

fn printed() -> &'static Printed {
    static PRINTED: OnceLock<Printed> = OnceLock::new();
    PRINTED.get_or_init(|| {
        let printed = Printed::default();
        // The client's own events, which show the request, are its affair.
        let filter = tracing_subscriber::filter::Targets::new()
            .with_target("auth_layer", tracing::Level::TRACE);
        let layer = tracing_subscriber::fmt::layer().with_writer(printed.clone());
        let subscriber = tracing_subscriber::Layer::with_filter(layer, filter);
        let subscriber = tracing_subscriber::layer::SubscriberExt::with(
            tracing_subscriber::registry(),
            subscriber,
        );
        tracing::subscriber::set_global_default(subscriber).expect("the first one");
        printed
    })
}

fn oauth(url: &str) -> OAuthClient {
    OAuthClient::new(url, "my program", http())
        .expect("a loopback URL")
        .secret(CANARY)
}

/// Fetches once, and prints all that can be printed of it.
async fn fetch(source: impl Source + Debug) {
    let printed = printed();
    printed.show(&source);
    let slot = Slot::token("api", source)
        .origin(origin())
        .backoff(SECOND * 20, SECOND * 20)
        .wait(SECOND * 10);
    printed.show(&slot);
    let (auth, _, client) = client(slot);
    printed.show(&auth);
    if let Err(error) = send(&client).await {
        printed.show(&error);
        printed.add(&chain(&*error));
    }
}

/// Answers that hold the secret wherever something may stand.
fn hostile() -> Vec<Reply> {
    let c = CANARY;
    let mut replies = vec![redirect(302, &format!("https://evil.example/{c}?{c}"))];
    for status in [200, 201, 400, 401, 429, 500] {
        for body in [
            c.to_owned(),
            format!("\"{c}\""),
            format!("[\"{c}\"]"),
            format!("<html>{c}</html>"),
            format!(r#"{{"error":"{c}","error_description":"{c}","error_uri":"{c}"}}"#),
            format!(r#"{{"error":"invalid_grant","error_description":"{c}"}}"#),
            format!(r#"{{"access_token":"{c}"}}"#),
            format!(r#"{{"access_token":"{c}","token_type":"{c}"}}"#),
            format!(r#"{{"access_token":["{c}"],"token_type":"Bearer"}}"#),
            format!(r#"{{"access_token":"{c}\n","token_type":"Bearer","refresh_token":"{c}"}}"#),
            format!(r#"{{"access_token":"{c}","token_type":"Bearer","expires_in":0}}"#),
            format!(r#"{{"access_token":"{c}","token_type":"Bearer","expires_in":"{c}"}}"#),
            format!(
                r#"{{"access_token":"{c}","token_type":"Bearer","refresh_token":{{"{c}":1}}}}"#
            ),
            format!(r#"{{"{c}":"{c}","access_token":"{c}","token_type":"Bearer","#),
        ] {
            replies.push(json(status, body));
        }
    }
    let mut html = json(200, CANARY);
    let kind = format!("text/html; {c}").parse().expect("a value");
    html.headers_mut().insert("content-type", kind);
    replies.push(html);
    replies
}

#[tokio::test]
async fn no_answer_of_a_token_endpoint_is_printed_and_no_secret_of_the_request() {
    let fetches = hostile().into_iter().map(|reply| async move {
        let server = TokenServer::start(move |_, _| reply.clone()).await;
        let oauth = oauth(&server.url("/token"));
        printed().show(&oauth);
        let param = oauth.client_credentials().param("assertion", CANARY);
        fetch(param).await;
        fetch(oauth.refresh_token().starting_with(CANARY)).await;
        let adopted = oauth.refresh_token();
        adopted.adopt(Grant::new(CANARY).refresh_token(CANARY).expires_in(60));
        fetch(adopted).await;
        let back = oauth.revocation_url(&server.url("/revoke"));
        let back = back.expect("a loopback URL");
        let outcome = back
            .revoke(Some(&CANARY.into()), Some(&CANARY.into()))
            .await;
        printed().show(&outcome);
        if let Err(error) = outcome {
            printed().add(&chain(&error));
        }
        assert!(server.asked().len() >= 4);
    });
    futures_util::future::join_all(fetches).await;
    printed().check(&[
        "redirects",
        "no token response",
        "`invalid_grant`",
        "another type than Bearer",
        "no number of seconds",
        "none of the standards'",
        "line break",
        "a new token is in use",
        "no new token",
    ]);
}

#[tokio::test]
async fn no_log_in_prints_what_the_browser_brings_or_the_server_says() {
    let printed = printed();
    for reply in hostile() {
        let server = TokenServer::start(move |_, _| reply.clone()).await;
        let login = oauth(&server.url("/token")).authorization_code(&server.url("/authorize"));
        let login = login.expect("a loopback URL").param("prompt", "login");
        printed.show(&login);
        let outcome = login.log_in(|url| {
            let url = url::Url::parse(url)?;
            let find = |name| {
                url.query_pairs()
                    .find(|(n, _)| n == name)
                    .expect(name)
                    .1
                    .into_owned()
            };
            let back = format!(
                "{}?code={CANARY}&state={}&iss={CANARY}",
                find("redirect_uri"),
                find("state")
            );
            let request = http::Request::get(back).body(Default::default())?;
            tokio::spawn(http().request(request));
            Ok(())
        });
        match outcome.await {
            Ok(grant) => printed.show(&grant),
            Err(error) => {
                printed.show(&error);
                printed.add(&chain(&error));
            }
        }
    }
    printed.check(&["`invalid_grant`", "no token response"]);
}

#[tokio::test]
async fn no_file_or_variable_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    for (n, text) in [
        format!("{CANARY}\n"),
        format!("{CANARY}\n{CANARY}"),
        format!("{CANARY} x"),
        format!("{CANARY}\0"),
        CANARY.repeat(10_000),
    ]
    .iter()
    .enumerate()
    {
        let path = folder.path().join(n.to_string());
        std::fs::write(&path, text).expect("written");
        fetch(source_file(&path)).await;
    }
    let path = folder.path().join("binary");
    std::fs::write(&path, [CANARY.as_bytes(), b"\xff"].concat()).expect("written");
    fetch(source_file(&path)).await;
    fetch(source_env("TOLLGATE_TEST_NEVER_SET")).await;
    printed().check(&[
        "line break",
        "not UTF-8",
        "larger than 64 KiB",
        "is not set",
    ]);
}
