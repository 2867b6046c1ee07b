//! Another credential for one request, or none.

use auth_layer::{Auth, CallersOwn, Elsewhere, Override, Reason, Slot, SourceError};
use http::header::AUTHORIZATION;
use http::{HeaderName, Request, StatusCode};
use tower::ServiceExt;

use crate::refusals::{key, outcome, refusal};
use crate::support::{SECOND, Supply, at_once, chain, client, origin, request, send, to};

fn with(instead: Override) -> Request<String> {
    let mut request = request();
    request.extensions_mut().insert(instead);
    request
}

#[tokio::test]
async fn one_request_carries_what_it_was_given_and_the_next_the_slots_own() {
    let (_, server, client) = client(key());
    for instead in [Override::secret("mine"), Override::nothing()] {
        let answer = client.clone().oneshot(with(instead)).await;
        answer.expect("sent");
        send(&client).await.expect("sent");
    }
    let seen = ["Bearer mine", "Bearer k1", "", "Bearer k1"];
    assert_eq!(server.seen(), seen);
}

#[tokio::test]
async fn it_stands_where_the_slots_own_would() {
    let header = HeaderName::from_static("x-api-key");
    let auth = Auth::single(key().header(header.clone())).expect("a valid slot");
    let attach = auth.layer();
    let api = tower::service_fn(async |request: Request<String>| {
        Ok::<_, call_context::BoxError>(http::Response::new(request.into_parts().0.headers))
    });
    let client = tower::Layer::layer(&attach, api);
    let response = client.oneshot(with(Override::secret("mine"))).await;
    let headers = response.expect("sent").into_body();
    assert_eq!(headers[&header], "mine");
    assert!(headers[&header].is_sensitive());
    assert!(!headers.contains_key(AUTHORIZATION));
}

#[tokio::test(start_paused = true)]
async fn a_request_with_a_secret_of_its_own_waits_for_no_token_and_its_401_renews_none() {
    let supply = Supply::default();
    let slot = supply.slot(|_, _| at_once(Err(SourceError::permanent("down"))));
    let (auth, server, client) = client(slot);
    server.refuse("mine");
    let answer = client.clone().oneshot(with(Override::secret("mine"))).await;
    assert_eq!(answer.expect("sent").status(), StatusCode::UNAUTHORIZED);
    let answer = client.clone().oneshot(with(Override::nothing())).await;
    assert_eq!(answer.expect("sent").status(), StatusCode::OK);
    assert_eq!(supply.fetches(), 0);
    let counts = auth.token("wallet").expect("a token slot").counts();
    assert_eq!(counts.rejections, 0);
    tokio::time::sleep(SECOND).await;
    assert_eq!(supply.fetches(), 0);
}

#[tokio::test]
async fn it_goes_to_the_slots_origins_alone() {
    let mut elsewhere = to("https://evil.example/a");
    elsewhere.extensions_mut().insert(Override::secret("mine"));
    let auth = Auth::single(key()).expect("a valid slot");
    let (reason, _) = refusal(&auth, elsewhere.clone()).await;
    assert_eq!(reason, Reason::Elsewhere);

    let builder = Auth::builder().slot(key()).elsewhere(Elsewhere::PassBare);
    let auth = builder.build().expect("a valid slot");
    assert_eq!(outcome(&auth, elsewhere).await.expect("bare"), "");

    let auth = Auth::single(Slot::none("public")).expect("a valid slot");
    let (reason, text) = refusal(&auth, with(Override::secret("mine"))).await;
    assert_eq!(reason, Reason::Override);
    assert!(text.starts_with("credential slot `public`: "), "{text}");
    let bound = Slot::none("public").origin(origin());
    let auth = Auth::single(bound).expect("a valid slot");
    let sent = outcome(&auth, with(Override::secret("mine"))).await;
    assert_eq!(sent.expect("sent"), "Bearer mine");
}

#[tokio::test]
async fn a_secret_that_cannot_stand_in_a_header_is_refused_without_an_echo() {
    let auth = Auth::single(key()).expect("a valid slot");
    let error = outcome(&auth, with(Override::secret("canary\n"))).await;
    let text = chain(&*error.expect_err("a refusal"));
    assert!(
        text.contains("line break") && !text.contains("canary"),
        "{text}"
    );
}

#[tokio::test]
async fn a_callers_own_header_is_a_mistake_beside_it_too() {
    let given = |rule| {
        let auth = Auth::single(key().callers_own(rule)).expect("a valid slot");
        let mut request = with(Override::secret("mine"));
        let own = "Bearer own".parse().expect("a value");
        request.headers_mut().insert(AUTHORIZATION, own);
        (auth, request)
    };
    let (auth, request) = given(CallersOwn::Refuse);
    assert_eq!(refusal(&auth, request).await.0, Reason::CallersOwn);
    let (auth, request) = given(CallersOwn::Keep);
    let sent = outcome(&auth, request).await;
    assert_eq!(sent.expect("sent"), "Bearer own");
    let (auth, request) = given(CallersOwn::Replace);
    let sent = outcome(&auth, request).await;
    assert_eq!(sent.expect("sent"), "Bearer mine");
}
