//! What is refused, by its text: requests, and tables of slots.

use std::sync::Arc;

use auth_layer::{Auth, AuthBuilder, CallersOwn, Elsewhere, Grant, Reason, Slot, source_fn};
use call_context::{BoxError, CallContext, Route, Routes};
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{Method, Request};
use tower::ServiceExt;

use crate::support::{SECOND, Server, chain, client, is_permanent, origin, refused, request, to};

fn key() -> Slot {
    Slot::key("business", "k1").origin(origin())
}

fn source() -> impl auth_layer::Source {
    source_fn(|_| async { Ok(Grant::new("t1")) })
}

/// What the server sees of `request`: the credential, or the refusal.
async fn outcome(auth: &Auth, request: Request<String>) -> Result<String, BoxError> {
    let server = Server::default();
    let outcome = server.behind(auth.layer()).oneshot(request).await;
    assert_eq!(server.seen().len(), usize::from(outcome.is_ok()));
    Ok(outcome?.into_body())
}

async fn refusal(auth: &Auth, request: Request<String>) -> (Reason, String) {
    let error = outcome(auth, request).await.expect_err("a refusal");
    let refused = refused(&error);
    assert!(is_permanent(refused.reason()));
    (refused.reason(), refused.to_string())
}

#[tokio::test]
async fn a_credential_goes_to_its_own_origin_alone() {
    let auth = Auth::single(key()).expect("a valid slot");
    for uri in [
        "https://api.example.com/a",
        "https://API.Example.com/a",
        "https://api.example.com:443/a",
    ] {
        assert_eq!(outcome(&auth, to(uri)).await.expect(uri), "Bearer k1");
    }
    const ELSEWHERE: &str =
        "credential slot `business`: the request goes to an origin that the slot is not bound to";
    for uri in [
        "https://evil.example/a",
        "https://api.example.com:8443/a",
        "https://api.example.com./a",
        "https://api.example.com.evil.example/a",
        "https://127.1/a",
        "http://evil.example/a",
        "ftp://api.example.com/a",
    ] {
        let got = refusal(&auth, to(uri)).await;
        assert_eq!(got, (Reason::Elsewhere, ELSEWHERE.to_owned()), "{uri}");
    }
    for (uri, reason, text) in [
        (
            "http://api.example.com/a",
            Reason::PlainHttp,
            "credential slot `business`: the request is plain http, and the slot is bound to no such origin; use https, \
             or declare the origin with `plain_http`",
        ),
        (
            "/a",
            Reason::RelativeUri,
            "credential slot `business`: the request's URI is relative; give scheme and host, as in https://host/path",
        ),
        (
            "https://api.example.com@evil.example/a",
            Reason::UserInformation,
            "the request's URI has a user name or password before its host; remove it",
        ),
        (
            "https://user:password@api.example.com/a",
            Reason::UserInformation,
            "the request's URI has a user name or password before its host; remove it",
        ),
    ] {
        let got = refusal(&auth, to(uri)).await;
        assert_eq!(got, (reason, text.to_owned()), "{uri}");
    }
}

#[tokio::test]
async fn an_address_is_not_another_spelling_of_it() {
    let local = "http://127.0.0.1:3000".parse().expect("an origin");
    let auth = Auth::single(Slot::key("business", "k1").origin(local)).expect("loopback");
    assert!(outcome(&auth, to("http://127.0.0.1:3000/a")).await.is_ok());
    for uri in [
        "http://127.1:3000/a",
        "http://0x7f.1:3000/a",
        "http://localhost:3000/a",
        "http://127.0.0.1:3001/a",
        "https://127.0.0.1:3000/a",
    ] {
        assert_eq!(refusal(&auth, to(uri)).await.0, Reason::Elsewhere, "{uri}");
    }
}

#[tokio::test]
async fn a_forged_host_is_refused() {
    let auth = Auth::single(key()).expect("a valid slot");
    let mut honest = request();
    honest
        .headers_mut()
        .insert(HOST, "api.example.com".parse().expect("a value"));
    assert!(outcome(&auth, honest).await.is_ok());
    let mut forged = request();
    forged
        .headers_mut()
        .insert(HOST, "evil.example".parse().expect("a value"));
    assert_eq!(
        refusal(&auth, forged).await,
        (
            Reason::ForgedHost,
            "the request's Host header names another server than its URI; remove it".to_owned()
        )
    );
}

#[tokio::test]
async fn a_callers_own_header_is_refused_kept_or_replaced() {
    const TEXT: &str = "the request already carries the header that the slot sets; remove it, or say with `callers_own` \
                        whether to keep or replace it";
    let with_own = || {
        let mut request = request();
        let headers = request.headers_mut();
        headers.append(AUTHORIZATION, "Basic own".parse().expect("a value"));
        request
    };
    let slots: [fn() -> Slot; 3] = [
        key,
        || Slot::token("business", source()).origin(origin()),
        || Slot::none("business"),
    ];
    for (slot, sent) in slots.into_iter().zip(["Bearer k1", "Bearer t1", ""]) {
        let refusing = Auth::single(slot()).expect("a valid slot");
        let text = format!("credential slot `business`: {TEXT}");
        let got = refusal(&refusing, with_own()).await;
        assert_eq!(got, (Reason::CallersOwn, text));

        let keeping = Auth::single(slot().callers_own(CallersOwn::Keep)).expect("a valid slot");
        assert_eq!(
            outcome(&keeping, with_own()).await.expect("kept"),
            "Basic own"
        );
        assert!(
            keeping.tokens().all(|token| token.counts().fetches == 0),
            "none needed"
        );

        let replacing = slot().callers_own(CallersOwn::Replace);
        let replacing = Auth::single(replacing).expect("a valid slot");
        assert_eq!(
            outcome(&replacing, with_own()).await.expect("replaced"),
            sent
        );
    }
}

#[tokio::test]
async fn a_named_header_carries_the_key_alone_and_is_the_one_that_is_watched() {
    let header = HeaderName::from_static("x-api-key");
    let auth = Auth::single(key().header(header.clone())).expect("a valid slot");
    let seen = tower::service_fn(async |request: Request<String>| {
        let headers = request.headers();
        assert_eq!(headers["x-api-key"], "k1");
        assert!(headers["x-api-key"].is_sensitive());
        assert_eq!(headers["authorization"], "Basic own");
        Ok::<_, BoxError>(http::Response::new(String::new()))
    });
    let mut other = request();
    other
        .headers_mut()
        .insert(AUTHORIZATION, "Basic own".parse().expect("a value"));
    tower::Layer::layer(&auth.layer(), seen)
        .oneshot(other)
        .await
        .expect("an answer");

    let mut own = request();
    own.headers_mut()
        .insert(header, "own".parse().expect("a value"));
    assert_eq!(refusal(&auth, own).await.0, Reason::CallersOwn);
}

#[tokio::test]
async fn elsewhere_a_request_may_pass_bare_and_bare_it_is() {
    let bare = |slot: Slot| {
        let auth = Auth::builder().slot(slot).elsewhere(Elsewhere::PassBare);
        auth.build().expect("a valid slot")
    };
    let auth = bare(Slot::token("wallet", source()).origin(origin()));
    assert_eq!(
        outcome(&auth, to("https://other.example/a"))
            .await
            .expect("bare"),
        ""
    );
    assert_eq!(
        outcome(&auth, to("http://api.example.com/a"))
            .await
            .expect("bare"),
        ""
    );
    assert_eq!(
        auth.token("wallet").expect("a token slot").counts().fetches,
        0
    );
    assert_eq!(
        outcome(&auth, request()).await.expect("at home"),
        "Bearer t1"
    );

    let own = || {
        let mut request = to("https://other.example/a");
        request
            .headers_mut()
            .insert(AUTHORIZATION, "Basic own".parse().expect("a value"));
        request
    };
    assert_eq!(refusal(&auth, own()).await.0, Reason::CallersOwn);
    let keeping = bare(key().callers_own(CallersOwn::Keep));
    assert_eq!(outcome(&keeping, own()).await.expect("kept"), "Basic own");
    let replacing = bare(key().callers_own(CallersOwn::Replace));
    assert_eq!(outcome(&replacing, own()).await.expect("removed"), "");
    let routed = table()
        .class("execute", "wallet")
        .elsewhere(Elsewhere::PassBare);
    let routed = routed.build().expect("a table");
    let foreign = to("https://other.example/whatever//../it/is");
    assert_eq!(outcome(&routed, foreign).await.expect("not classified"), "");
    let user = to("https://user@other.example/a");
    assert_eq!(refusal(&auth, user).await.0, Reason::UserInformation);
}

#[tokio::test]
async fn a_slot_without_origins_is_at_home_anywhere() {
    let inner = tower::service_fn(async |request: Request<String>| {
        let context = CallContext::get(request.extensions()).expect("a context");
        let slot = context.slot().map(ToString::to_string);
        Ok::<_, BoxError>(http::Response::new(slot.unwrap_or_default()))
    });
    for rule in [Elsewhere::Refuse, Elsewhere::PassBare] {
        let auth = Auth::builder().slot(Slot::none("nothing")).elsewhere(rule);
        let gate = auth.build().expect("a valid slot").gate();
        let client = tower::Layer::layer(&gate, inner);
        let response = client.oneshot(to("https://any.example/a")).await;
        assert_eq!(response.expect("an answer").body(), "nothing");
    }
}

/// A table with an origin for all slots that name none.
fn at(origin: &str) -> AuthBuilder {
    Auth::builder().origin(origin.parse().expect("an origin"))
}

#[tokio::test]
async fn a_tables_origin_binds_the_slots_that_name_none() {
    let slots: [fn() -> Slot; 3] = [
        || Slot::key("business", "k1"),
        || Slot::token("business", source()),
        || Slot::none("business"),
    ];
    for (slot, sent) in slots.into_iter().zip(["Bearer k1", "Bearer t1", ""]) {
        let auth = at("https://api.example.com").slot(slot());
        let auth = auth.build().expect("a valid slot");
        assert_eq!(outcome(&auth, request()).await.expect("at home"), sent);
        for (uri, reason) in [
            ("https://evil.example/a", Reason::Elsewhere),
            ("http://api.example.com/a", Reason::PlainHttp),
            ("/a", Reason::RelativeUri),
        ] {
            assert_eq!(refusal(&auth, to(uri)).await.0, reason, "{uri}");
        }

        let local = at("http://127.0.0.1:3000").slot(slot());
        let local = local.build().expect("loopback");
        let got = outcome(&local, to("http://127.0.0.1:3000/a")).await;
        assert_eq!(got.expect("at home"), sent);
    }
}

#[tokio::test]
async fn a_tables_origin_adds_nothing_to_a_slot_that_names_its_own() {
    let own: [fn(Slot) -> Slot; 2] = [
        |slot| slot.origin("https://api.example.com".parse().expect("an origin")),
        |slot| slot.plain_http("http://api.example.com".parse().expect("an origin")),
    ];
    for (own, uri) in own
        .into_iter()
        .zip(["https://api.example.com/a", "http://api.example.com/a"])
    {
        let auth = at("https://other.example").slot(own(Slot::key("business", "k1")));
        let auth = auth.build().expect("a valid slot");
        let got = outcome(&auth, to(uri)).await;
        assert_eq!(got.expect("at home"), "Bearer k1");
        let got = refusal(&auth, to("https://other.example/a")).await;
        assert_eq!(got.0, Reason::Elsewhere);
    }
}

#[test]
fn a_tables_plain_http_origin_off_this_machine_is_refused() {
    for slot in [
        Slot::key("business", "k1"),
        Slot::token("business", source()),
        Slot::none("business"),
    ] {
        let error = at("http://api.example.com").slot(slot).build();
        let error = error.expect_err("readable on the way");
        assert_eq!(error.slot(), Some(&"business".into()));
        assert_eq!(
            error.to_string(),
            "credential slot `business`: http://api.example.com is plain http to another machine; use https, or declare \
             it with `plain_http`"
        );
    }
}

fn routes() -> Arc<Routes> {
    let routes = Routes::new([
        Route::new(Method::GET, "/capabilities", "public"),
        Route::new(Method::GET, "/read/portfolio", "read"),
        Route::new(Method::POST, "/execute/{*rest}", "execute").alternative("merchant"),
    ]);
    Arc::new(routes.expect("a table"))
}

fn table() -> AuthBuilder {
    Auth::builder()
        .slot(Slot::none("nothing"))
        .slot(key())
        .slot(Slot::token("wallet", source()).origin(origin()))
        .routes(routes())
        .class("public", "nothing")
        .class("read", "business")
        .class("merchant", "business")
}

#[tokio::test]
async fn each_route_carries_its_own_credential_and_an_unknown_one_is_refused() {
    let auth = table().class("execute", "wallet").build().expect("a table");
    let at = |method: Method, path: &str| {
        let mut request = to(&format!("https://api.example.com{path}"));
        *request.method_mut() = method;
        request
    };
    for (method, path, credential) in [
        (Method::GET, "/capabilities", ""),
        (Method::GET, "/read/portfolio", "Bearer k1"),
        (Method::POST, "/execute/trades", "Bearer t1"),
    ] {
        let got = outcome(&auth, at(method, path)).await.expect(path);
        assert_eq!(got, credential, "{path}");
    }
    let mut merchant = at(Method::POST, "/execute/trades");
    merchant
        .extensions_mut()
        .insert(call_context::ClassOverride::new("merchant"));
    assert_eq!(
        outcome(&auth, merchant).await.expect("declared"),
        "Bearer k1"
    );

    assert_eq!(
        refusal(&auth, at(Method::GET, "/execute/trades")).await,
        (
            Reason::UnknownRoute,
            "no route matches the request, so no credential is chosen for it; add a route for it"
                .to_owned()
        )
    );
    for path in [
        "/read/../execute/a",
        "/read/%2e%2e/execute/a",
        "/%65xecute/a",
        "/execute//a",
    ] {
        let error = outcome(&auth, at(Method::POST, path))
            .await
            .expect_err(path);
        assert_eq!(refused(&error).reason(), Reason::Unclassifiable, "{path}");
        let text = chain(&*error);
        let start = "the request's route cannot be told, so no credential is chosen for it: the request never left: \
                     the path is ambiguous: ";
        assert!(text.starts_with(start), "{text}");
    }
}

#[tokio::test]
async fn gate_notes_class_and_slot_in_the_context() {
    let auth = table().class("execute", "wallet").build().expect("a table");
    let inner = tower::service_fn(async |request: Request<String>| {
        let context = CallContext::get(request.extensions()).expect("a context");
        let class = context.class().map(ToString::to_string);
        let slot = context.slot().map(ToString::to_string);
        let noted = format!("{} {}", class.unwrap_or_default(), slot.unwrap_or_default());
        Ok::<_, BoxError>(http::Response::new(noted))
    });
    let client = tower::Layer::layer(&auth.gate(), inner);
    for (path, noted) in [
        ("/capabilities", "public nothing"),
        ("/read/portfolio", "read business"),
    ] {
        let request = to(&format!("https://api.example.com{path}"));
        let response = client.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.body(), noted);
    }
}

#[test]
fn a_table_with_a_mistake_is_not_built() {
    let remote = || "http://api.example.com".parse().expect("an origin");
    let none = || Slot::none("nothing");
    let round = |name: &str, through: &str| {
        let source = source_fn(|_| async { Ok(Grant::new("t1")) }).through(through);
        Slot::token(name, source).origin(origin())
    };
    for (builder, text) in [
        (
            Auth::builder(),
            "without routes there must be exactly one slot",
        ),
        (
            Auth::builder().slot(key()).slot(none()),
            "without routes there must be exactly one slot",
        ),
        (
            Auth::builder().slot(key()).class("read", "business"),
            "classes are given slots, but there are no routes to tell a class",
        ),
        (
            Auth::builder().slot(key()).slot(key()),
            "credential slot `business`: the name is used twice",
        ),
        (
            table().class("read", "wallet").class("execute", "wallet"),
            "credential slot `wallet`: the class `read` has a slot already",
        ),
        (
            table().class("execute", "wallet").class("typo", "wallet"),
            "credential slot `wallet`: no route has the class `typo`",
        ),
        (
            table(),
            "the class `execute` has no slot; give it one, `Slot::none` if it needs no credential",
        ),
        (
            table().class("execute", "typo"),
            "credential slot `typo`: the class `execute` asks for it, but there is no such slot",
        ),
        (
            Auth::builder().slot(Slot::key("business", "k1")),
            "credential slot `business`: a credential must be bound to the origins that it is meant for",
        ),
        (
            Auth::builder().slot(Slot::key("business", "k1").origin(remote())),
            "credential slot `business`: http://api.example.com is plain http to another machine; use https, or declare \
             it with `plain_http`",
        ),
        (
            Auth::builder().slot(Slot::key("business", "k1\n").origin(origin())),
            "credential slot `business`: the key cannot stand in a header",
        ),
        (
            Auth::builder().slot(key().soft(SECOND)),
            "credential slot `business`: durations are set, but only a renewing token has any",
        ),
        (
            Auth::builder().slot(round("wallet", "wallet")),
            "credential slot `wallet`: its source goes through the slot itself, directly or by way of others; give it a \
             client of its own",
        ),
        (
            table()
                .class("execute", "wallet")
                .slot(round("a", "b"))
                .slot(round("b", "a")),
            "credential slot `a`: its source goes through the slot itself, directly or by way of others; give it a \
             client of its own",
        ),
        (
            Auth::builder().slot(round("wallet", "typo")),
            "credential slot `wallet`: its source goes through `typo`, but there is no such slot",
        ),
        (
            Auth::builder().slot(round("wallet", "wallet").backoff(SECOND * 2, SECOND)),
            "credential slot `wallet`: the shortest pause must be longer than nothing and no longer than the longest",
        ),
        (
            Auth::builder()
                .slot(round("wallet", "wallet").fetch_timeout(std::time::Duration::ZERO)),
            "credential slot `wallet`: a fetch needs more than no time",
        ),
    ] {
        let error = builder.build().expect_err(text);
        assert_eq!(error.to_string(), text);
    }
    let declared = Slot::key("business", "k1").plain_http(remote());
    assert!(Auth::single(declared).is_ok());
    let (_, _, _) = client(key());
}
