//! Planted secrets, looked for wherever something prints.
//!
//! A program of its own: a subscriber to all events must be in place before the first one.

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "auth/support.rs"]
mod support;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use auth_layer::{
    Auth, Fetch, Grant, GrantFuture, LogOut, LogOutFuture, Override, RotateStep, Secret, Slot,
    Source, SourceError, Tenant, Tenants, source_fn,
};
use call_context::BoxError;
use http::{HeaderName, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

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
            .with_span_events(FmtSpan::FULL)
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

/// Prints an error, and all its causes.
fn show_error(printed: &Printed, error: &(dyn std::error::Error + 'static)) {
    printed.show(error);
    printed.add(chain(error).as_bytes());
}

/// Fails where the secret has been printed, or one of `expected` has not.
fn assert_clean(printed: &Printed, expected: &[&str]) {
    let text = printed.text();
    for expected in expected {
        assert!(text.contains(expected), "`{expected}` is missing in {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}

#[test]
fn no_slot_for_many_and_no_overlap_key_prints_its_secrets() {
    let printed = printed();
    let tenants = Tenants::new(|_: &Tenant| {
        let grant = Grant::new(CANARY).refresh_token(CANARY);
        source_fn(move |_| at_once(Ok(grant.clone())))
    });
    printed.show(&tenants);
    let slot = Slot::tenants("customers", tenants).origin(origin());
    printed.show(&slot);
    printed.show(&Auth::single(slot).expect("a valid slot"));
    let slot = Slot::key("doubled", CANARY)
        .overlap(CANARY)
        .origin(origin());
    printed.show(&slot);
    let auth = Auth::single(slot).expect("a valid slot");
    printed.show(&auth);
    let key = auth.key("doubled").expect("a key");
    printed.show(key);
    assert_eq!(key.secret().expose(), CANARY);
    printed.show(&key.secret());
    printed.show(&[Override::secret(CANARY), Override::nothing()]);
    for overlap in [format!("{CANARY}\n"), format!("{CANARY} {CANARY}")] {
        let slot = Slot::key("spoilt", "k1").overlap(overlap.clone());
        let error = Auth::single(slot.origin(origin())).expect_err("no key");
        show_error(printed, &error);
        for error in [key.set(overlap.clone()), key.set_overlap(overlap)] {
            show_error(printed, &error.expect_err("no key"));
        }
    }
    assert_clean(printed, &["customers", "doubled", "spoilt", "Override(..)"]);
}

#[tokio::test(start_paused = true)]
async fn no_handle_and_no_logout_prints_the_tokens() {
    let printed = printed();
    let supply = Supply::default();
    let slot = supply.slot(|_, fetch: Fetch| {
        printed.show(&fetch);
        at_once(Ok(Grant::new(CANARY)
            .refresh_token(CANARY)
            .expires_in(3600)))
    });
    let auth = Auth::single(slot).expect("a valid slot");
    let mut events = auth.subscribe();
    let wallet = auth.token("wallet").expect("a token");
    let usable = wallet.usable_token().await.expect("a token");
    assert_eq!(usable.token().expose(), CANARY);
    printed.show(&usable);
    wallet.renew().await.expect("a token");
    printed.show(&(wallet, wallet.current(), wallet.counts()));
    wallet.log_out().await.expect("nothing to tell");
    show_error(
        printed,
        &wallet.usable_token().await.expect_err("logged out"),
    );
    for _ in 0..3 {
        printed.show(&events.next().await);
    }
    printed.show(&events);
    assert_clean(printed, &["UsableToken", "LoggedOut", "logged out"]);
}

/// Gives a secret to everybody who could print it, and fails or panics as it is told.
struct Careless(u32);

impl Source for Careless {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        printed().show(&fetch);
        at_once(Ok(Grant::new(CANARY).refresh_token(CANARY)))
    }

    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        printed().show(&log_out);
        let how = self.0;
        assert_ne!(how, 2, "{CANARY}, as a careless source might say");
        Box::pin(async move {
            let tokens = log_out.tokens().await;
            printed().show(&tokens);
            let secret = tokens.refresh_token.expect("one").expose().to_owned();
            match how {
                0 => panic!("{secret}, as a careless source might say"),
                _ => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn no_failed_logout_quotes_what_the_source_said() {
    let printed = printed();
    for how in 0..3 {
        let slot = Slot::token("careless", Careless(how)).origin(origin());
        let auth = Auth::single(slot).expect("a valid slot");
        let careless = auth.token("careless").expect("a token");
        careless.usable_token().await.expect("a token");
        let error = careless.log_out().await.expect_err("not told");
        show_error(printed, &error);
    }
    assert_clean(
        printed,
        &[
            "LogOut",
            "EndedTokens",
            "the source came to no end",
            "the source panicked",
            "deadline",
        ],
    );
}

#[tokio::test]
async fn no_rotation_that_fails_prints_either_key() {
    let printed = printed();
    let new = || format!("{CANARY}-new");
    let (ok, fails) = (|| Ok(()), || Err(BoxError::from("the server is down")));
    for (step, created) in [
        (RotateStep::Create, None),
        (RotateStep::Switch, Some(format!("{}\n", new()))),
        (RotateStep::Confirm, Some(new())),
        (RotateStep::Revoke, Some(new())),
    ] {
        let slot = Slot::key("rotating", CANARY).origin(origin());
        let auth = Auth::single(slot).expect("a valid slot");
        let key = auth.key("rotating").expect("a key");
        let made = created.map_or_else(|| Err("the server is down".into()), |key| Ok(key.into()));
        let rotated = key.rotate(
            async || made,
            async || match step {
                RotateStep::Confirm => fails(),
                _ => ok(),
            },
            async |former| {
                printed.show(&former);
                fails()
            },
        );
        let error = rotated.await.expect_err("one step fails");
        assert_eq!(error.step(), step);
        let left_over = error.left_over().map(|key| key.expose().contains(CANARY));
        assert_eq!(left_over, (step != RotateStep::Create).then_some(true));
        printed.show(&error.left_over());
        show_error(printed, &error);
    }
    assert_clean(
        printed,
        &["Create", "Switch", "Confirm", "Revoke", "a line break"],
    );
}

#[tokio::test(start_paused = true)]
async fn no_request_or_answer_with_our_credential_prints_it() {
    let printed = printed();
    let tenants = Tenants::new(|_: &Tenant| source_fn(|_| at_once(Ok(Grant::new(CANARY)))));
    for slot in [
        Slot::key("business", CANARY),
        Slot::key("business", CANARY).header(HeaderName::from_static("x-api-key")),
        Slot::key("business", CANARY).overlap(format!("{CANARY}-2")),
        Slot::token("wallet", source_fn(|_| at_once(Ok(Grant::new(CANARY))))),
        Slot::tenants("customers", tenants),
        Slot::key("business", "k1"),
    ] {
        let auth = Auth::single(slot.origin(origin())).expect("a valid slot");
        let api = service_fn(|request: Request<String>| async move {
            let carried = request
                .headers()
                .iter()
                .any(|(_, value)| String::from_utf8_lossy(value.as_bytes()).contains(CANARY));
            let printed = self::printed();
            printed.show(&request);
            let (parts, _) = request.into_parts();
            printed.show(&parts);
            printed.show(&parts.headers);
            printed.show(&parts.extensions);
            let mut response = Response::new(carried);
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            Ok::<_, BoxError>(response)
        });
        // Between the halves the answer says which credential it is about.
        let attached = auth.attach().layer(api);
        let between = attached.map_response(|response: Response<bool>| {
            let printed = self::printed();
            printed.show(&response);
            printed.show(response.extensions());
            response
        });
        let mut request = request();
        request.extensions_mut().insert(Tenant::from("acme"));
        request.extensions_mut().insert(Override::secret(CANARY));
        for instead in [true, false] {
            let mut request = request.clone();
            if !instead {
                request.extensions_mut().remove::<Override>();
            }
            let gate = auth.gate().layer(between.clone());
            printed.show(&request);
            let response = gate.oneshot(request).await.expect("an answer");
            printed.show(&response);
            printed.show(response.extensions());
        }
    }
    assert_clean(printed, &["Sensitive", "x-api-key", "customers/acme"]);
}

#[tokio::test(start_paused = true)]
async fn no_override_that_is_refused_is_quoted() {
    let printed = printed();
    let key = Slot::key("business", "k1").origin(origin());
    let client = Auth::single(key).expect("a valid slot").layer();
    let client = client.layer(service_fn(|_: Request<String>| async {
        Ok::<_, BoxError>(Response::new(String::new()))
    }));
    for secret in [format!("{CANARY}\n"), format!("{CANARY} {CANARY}")] {
        let mut request = request();
        request.extensions_mut().insert(Override::secret(secret));
        printed.show(&request);
        let error = client.clone().oneshot(request).await.expect_err("refused");
        show_error(printed, &*error);
    }
    let mut own = request();
    let value = format!("Bearer {CANARY}").parse().expect("a value");
    own.headers_mut().insert(http::header::AUTHORIZATION, value);
    let error = client.oneshot(own).await.expect_err("refused");
    show_error(printed, &*error);
    assert_clean(printed, &["Override", "CallersOwn"]);
}

#[tokio::test(start_paused = true)]
async fn no_panic_of_ours_quotes_a_secret() {
    let printed = printed();
    let key = Slot::key("business", CANARY).origin(origin());
    let auth = Auth::single(key).expect("a valid slot");
    let api =
        service_fn(|_: Request<String>| async { Ok::<_, BoxError>(Response::new(String::new())) });
    let elsewhere = to(&format!("https://other.example/{CANARY}"));
    for request in [elsewhere, request()] {
        let mut call = Box::pin(auth.layer().layer(api).call(request));
        let _ = call.as_mut().await;
        // It is over, and is asked again.
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = futures_util::FutureExt::now_or_never(call.as_mut());
        }));
        if let Err(payload) = again {
            let text = payload.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            printed.add(text.expect("a text").as_bytes());
        }
    }
    assert_clean(printed, &["polled after completion"]);
}
