//! Tables of slots: origins, routes, and what makes a table a mistake.

use std::sync::Arc;

use auth_layer::{Auth, AuthBuilder, Grant, Reason, Slot, source_fn};
use call_context::{BoxError, CallContext, Route, Routes};
use http::{Method, Request};
use tower::ServiceExt;

use crate::refusals::{key, outcome, refusal, source};
use crate::support::{SECOND, chain, client, origin, refused, request, to};

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

pub(crate) fn table() -> AuthBuilder {
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
            "no route matches this GET request, so no credential is chosen for it; add a route for it"
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
            "credential slot `wallet`: the class `typo` is given this slot, but no route has that class",
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
            "credential slot `business`: a credential must be bound to the origins that it is meant for; name them by `Slot::origin`, or \
             one for all slots by `AuthBuilder::origin`",
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
