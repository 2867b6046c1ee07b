//! Planted secrets, looked for wherever something prints.
//!
//! A program of its own: a subscriber to all events must be in place before the first one.

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "auth/support.rs"]
mod support;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use auth_layer::{Auth, Fetch, Grant, Secret, Slot, SourceError, source_fn};
use call_context::BoxError;
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

use support::{SECOND, Supply, at_once, chain, origin, request, to};

const CANARY: &str = "canary-7f3a";

/// Everything that has been printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn show(&self, what: &(impl Debug + ?Sized)) {
        let mut text = String::new();
        write!(text, "{what:?} {what:#?}").expect("printed");
        self.add(text.as_bytes());
    }

    fn add(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
    }

    fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).into_owned()
    }
}

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
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

/// What has been printed so far, by all tests: every event, and what they add.
fn printed() -> &'static Printed {
    static PRINTED: OnceLock<Printed> = OnceLock::new();
    PRINTED.get_or_init(|| {
        let printed = Printed::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(printed.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("the first one");
        printed
    })
}

#[test]
fn no_type_that_holds_a_secret_prints_it() {
    let printed = printed();
    let grant = Grant::new(CANARY).refresh_token(CANARY).expires_in(60);
    printed.show(&Secret::from(CANARY));
    printed.show(&grant);
    let source = source_fn(move |_| at_once(Ok(grant.clone())));
    printed.show(&source);
    let slots = [
        Slot::key("business", CANARY).origin(origin()),
        Slot::token("wallet", source).origin(origin()),
    ];
    for slot in slots {
        printed.show(&slot);
        let builder = Auth::builder().slot(slot);
        printed.show(&builder);
        let auth = builder.build().expect("a valid slot");
        printed.show(&auth);
        printed.show(&auth.tokens().collect::<Vec<_>>());
        printed.show(&(auth.gate(), auth.attach(), auth.layer()));
        printed.show(&auth.layer().layer(()));
    }
    assert!(printed.text().contains("business"), "something is printed");
    assert!(!printed.text().contains(CANARY), "{}", printed.text());
}

#[test]
fn no_error_of_building_prints_the_key() {
    let printed = printed();
    for key in [
        format!("{CANARY}\n"),
        format!("{CANARY} {CANARY}"),
        format!("{CANARY}é"),
    ] {
        let error = Auth::single(Slot::key("business", key).origin(origin())).expect_err("no key");
        printed.show(&error);
        printed.add(chain(&error).as_bytes());
    }
    assert!(!printed.text().contains(CANARY), "{}", printed.text());
}

#[tokio::test(start_paused = true)]
async fn no_refusal_event_or_request_prints_the_token() {
    let printed = printed();
    let supply = Supply::default();
    let slot = supply.slot(|n, fetch: Fetch| {
        assert!(!format!("{fetch:?}").contains(CANARY));
        match n {
            1 => at_once(Ok(Grant::new(CANARY)
                .refresh_token(CANARY)
                .expires_in(3600))),
            2 => at_once(Ok(Grant::new(format!("{CANARY}\n")))),
            3 => at_once(Err(SourceError::temporary("down"))),
            4 => panic!("{CANARY}, as a careless source might say"),
            5 => at_once(Ok(Grant::new(CANARY).expires_in(0))),
            _ => at_once(Err(SourceError::permanent("revoked"))),
        }
    });
    let auth = Auth::single(slot.backoff(SECOND, SECOND).wait(SECOND / 2)).expect("a valid slot");
    let show = printed.clone();
    let api = service_fn(move |request: Request<String>| {
        show.show(&request);
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        async move { Ok::<_, BoxError>(response) }
    });
    let client = auth.layer().layer(api);
    for _ in 0..7 {
        match client.clone().oneshot(request()).await {
            Ok(response) => printed.show(&response),
            Err(error) => {
                printed.show(&error);
                printed.add(chain(&*error).as_bytes());
            }
        }
        tokio::time::sleep(SECOND * 2).await;
    }
    let with_password = to(&format!(
        "https://user:{CANARY}@api.example.com/{CANARY}?{CANARY}"
    ));
    let error = client.oneshot(with_password).await.expect_err("refused");
    printed.show(&error);
    printed.add(chain(&*error).as_bytes());

    let text = printed.text();
    for expected in [
        "Sensitive",
        "a new token is in use",
        "the server refused the token",
        "not sendable",
        "failed for now",
        "panicked",
        "already expired",
        "refused for good",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}
