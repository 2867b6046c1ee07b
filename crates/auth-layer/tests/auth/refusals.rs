//! Which requests are refused, by the text of the refusal.

use auth_layer::{Auth, CallersOwn, Elsewhere, Grant, Reason, Slot, source_fn};
use call_context::{BoxError, CallContext};
use http::Request;
use http::header::{AUTHORIZATION, HOST, HeaderName};
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
