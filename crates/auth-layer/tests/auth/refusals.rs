//! Which requests are refused, by the text of the refusal.

use std::sync::Arc;

use auth_layer::{Auth, CallersOwn, Elsewhere, Grant, Reason, Slot, source_fn};
use call_context::{BoxError, CallContext, Route, Routes};
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::{Method, Request};
use tower::ServiceExt;

use crate::support::{Server, is_permanent, origin, refused, request, to};
use crate::tables::table;

pub(crate) fn key() -> Slot {
    Slot::key("business", "k1").origin(origin())
}

pub(crate) fn source() -> impl auth_layer::Source {
    source_fn(|_| async { Ok(Grant::new("t1")) })
}

/// What the server sees of `request`: the credential, or the refusal.
pub(crate) async fn outcome(auth: &Auth, request: Request<String>) -> Result<String, BoxError> {
    let server = Server::default();
    let outcome = server.behind(auth.layer()).oneshot(request).await;
    assert_eq!(server.seen().len(), usize::from(outcome.is_ok()));
    Ok(outcome?.into_body())
}

pub(crate) async fn refusal(auth: &Auth, request: Request<String>) -> (Reason, String) {
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
    for goes_to in [
        "https://evil.example",
        "https://api.example.com:8443",
        "https://api.example.com.",
        "https://api.example.com.evil.example",
        "https://127.1",
        "http://evil.example",
        "ftp://api.example.com",
    ] {
        let text = format!(
            "credential slot `business`: the request goes to {goes_to}, and the slot is bound to https://api.example.com"
        );
        let got = refusal(&auth, to(&format!("{goes_to}/path?query"))).await;
        assert_eq!(got, (Reason::Elsewhere, text));
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
        let (reason, text) = refusal(&auth, to(uri)).await;
        assert_eq!(reason, Reason::Elsewhere, "{uri}");
        let goes_to = uri.strip_suffix("/a").expect("a path");
        let named = format!("goes to {goes_to}, and the slot is bound to http://127.0.0.1:3000");
        assert!(text.ends_with(&named), "{text}");
    }
    let two = key().origin("https://other.example".parse().expect("an origin"));
    let two = Auth::single(two).expect("a valid slot");
    let (_, text) = refusal(&two, to("https://evil.example/a")).await;
    let named = "the slot is bound to https://api.example.com, https://other.example";
    assert!(text.ends_with(named), "{text}");
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
    const TEXT: &str = "the request already carries a header `authorization` of the caller's own; remove it, or say with \
                        `callers_own` whether to keep or replace it";
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

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What the server sees of a request that carries `own`: `Authorization`, and `X-API-Key`.
async fn both(auth: &Auth, path: &str, own: &[HeaderName]) -> Result<(String, String), BoxError> {
    let seen = tower::service_fn(async |request: Request<String>| {
        let header = |name| request.headers().get(name).map_or("", text);
        let both = (header(AUTHORIZATION), header(X_API_KEY));
        let both = (both.0.to_owned(), both.1.to_owned());
        Ok::<_, BoxError>(http::Response::new(both))
    });
    let mut request = to(&format!("https://api.example.com{path}"));
    for name in own {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("own"));
    }
    let response = tower::Layer::layer(&auth.layer(), seen).oneshot(request);
    Ok(response.await?.into_body())
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().expect("visible ASCII")
}

/// A key in `Authorization`, another one in `X-API-Key`, and nothing: a route for each.
fn three_slots(rule: CallersOwn) -> Auth {
    let routes = Routes::new(["/a", "/x", "/n"].map(|path| Route::new(Method::GET, path, path)));
    Auth::builder()
        .origin(origin())
        .slot(Slot::key("a", "ka").callers_own(rule))
        .slot(Slot::key("x", "kx").header(X_API_KEY).callers_own(rule))
        .slot(Slot::none("n").callers_own(rule))
        .routes(Arc::new(routes.expect("a table")))
        .class("/a", "a")
        .class("/x", "x")
        .class("/n", "n")
        .build()
        .expect("a valid table")
}

#[tokio::test]
async fn a_named_header_carries_the_key_alone() {
    let auth = three_slots(CallersOwn::default());
    for (path, seen) in [
        ("/a", ("Bearer ka", "")),
        ("/x", ("", "kx")),
        ("/n", ("", "")),
    ] {
        let got = both(&auth, path, &[]).await.expect(path);
        assert_eq!((got.0.as_str(), got.1.as_str()), seen, "{path}");
    }
}

#[tokio::test]
async fn a_callers_own_credential_is_refused_on_every_route_in_every_slots_header() {
    let auth = three_slots(CallersOwn::Refuse);
    for path in ["/a", "/x", "/n"] {
        for own in [AUTHORIZATION, X_API_KEY] {
            let error = both(&auth, path, std::slice::from_ref(&own)).await;
            let error = error.expect_err(path);
            assert_eq!(refused(&error).reason(), Reason::CallersOwn);
            let text = format!("already carries a header `{own}` of the caller's own");
            assert!(error.to_string().contains(&text), "{path}: {error}");
        }
    }
}

#[tokio::test]
async fn a_callers_own_authorization_is_refused_where_the_only_key_has_a_named_header() {
    let auth = Auth::single(key().header(X_API_KEY)).expect("a valid slot");
    let error = both(&auth, "/", &[AUTHORIZATION]).await;
    assert_eq!(
        refused(&error.expect_err("two credentials")).reason(),
        Reason::CallersOwn
    );
}

#[tokio::test]
async fn kept_and_replaced_are_the_headers_of_other_slots_as_well() {
    let keep = three_slots(CallersOwn::Keep);
    let replace = three_slots(CallersOwn::Replace);
    for (auth, path, own, seen) in [
        (&keep, "/a", AUTHORIZATION, ("own", "")),
        (&keep, "/a", X_API_KEY, ("Bearer ka", "own")),
        (&keep, "/x", AUTHORIZATION, ("own", "kx")),
        (&keep, "/x", X_API_KEY, ("", "own")),
        (&keep, "/n", AUTHORIZATION, ("own", "")),
        (&keep, "/n", X_API_KEY, ("", "own")),
        (&replace, "/a", AUTHORIZATION, ("Bearer ka", "")),
        (&replace, "/a", X_API_KEY, ("Bearer ka", "")),
        (&replace, "/x", AUTHORIZATION, ("", "kx")),
        (&replace, "/x", X_API_KEY, ("", "kx")),
        (&replace, "/n", AUTHORIZATION, ("", "")),
        (&replace, "/n", X_API_KEY, ("", "")),
    ] {
        let got = both(auth, path, std::slice::from_ref(&own)).await;
        let got = got.expect(path);
        assert_eq!((got.0.as_str(), got.1.as_str()), seen, "{path} {own}");
    }
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
