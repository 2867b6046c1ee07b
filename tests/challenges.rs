//! A hostile server's 401: whatever it says about where tokens are to be had, nobody goes there.

#[expect(dead_code, reason = "shared with the other tests")]
mod hosts;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, LINK, LOCATION, REFRESH, WWW_AUTHENTICATE};
use http::{HeaderMap, Request};
use tollgate::auth::{Auth, Grant, Slot, Source, SourceError, source_fn};
use tollgate::{BoxError, RetryLayer, Stack};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;

use hosts::{Body, CANARY, Hosts};

/// Places in which protocols name an authorization server, or where a client might look for one, all of them at B.
fn hostile(hosts: &Hosts) -> HeaderMap {
    let challenge = "Bearer realm=\"http://127.0.0.1:{B}/token\", error=\"invalid_token\", \
                     resource_metadata=\"http://127.0.0.1:{B}/.well-known/oauth-protected-resource\", \
                     authorization_uri=\"http://127.0.0.1:{B}/authorize\", as_uri=\"http://127.0.0.1:{B}/token\", \
                     token_endpoint=\"http://127.0.0.1:{B}/token\", service=\"b.test\", \
                     error_uri=\"http://127.0.0.1:{B}/help\"";
    let docker = "Bearer realm=\"http://b.test/token\",service=\"registry\",scope=\"all\"";
    let lines = [
        (WWW_AUTHENTICATE, challenge),
        (WWW_AUTHENTICATE, docker),
        (LOCATION, "http://127.0.0.1:{B}/token"),
        (REFRESH, "0; url=http://127.0.0.1:{B}/token"),
        (LINK, "<http://127.0.0.1:{B}/token>; rel=\"token_endpoint\""),
        (
            HeaderName::from_static("authentication-info"),
            "nextnonce=\"http://127.0.0.1:{B}/\"",
        ),
    ];
    let lines = lines.map(|(name, value)| (name, hosts.fill(value).parse().expect("a value")));
    lines
        .into_iter()
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

/// Sends the refresh token, which is the canary, to its own endpoint at A.
fn source(hosts: &Hosts) -> impl Source {
    let (hosts, fetched) = (hosts.clone(), Arc::<AtomicU64>::default());
    source_fn(move |fetch| {
        let endpoint = Request::post(hosts.fill("http://127.0.0.1:{A}/token"));
        let refresh_token = fetch.refresh_token().map_or(CANARY, |token| token.expose());
        let body = Body::new(Bytes::from(format!("refresh_token={refresh_token}")));
        let n = fetched.fetch_add(1, Ordering::SeqCst) + 1;
        let asked = hosts
            .client()
            .oneshot(endpoint.body(body).expect("a request"));
        async move {
            asked.await.map_err(SourceError::temporary)?;
            Ok(Grant::new(format!("token-{n}")).refresh_token(CANARY))
        }
    })
}

type Caller = BoxCloneSyncService<Request<Body>, u16, BoxError>;

#[tokio::test]
async fn a_hostile_challenge_never_chooses_the_token_endpoint() {
    const MS: Duration = Duration::from_millis(1);
    for above in ["halves", "stack"] {
        let hosts = Hosts::start().await;
        hosts.say("/api", 401, hostile(&hosts));
        let origin: tollgate::Origin = hosts.fill("http://127.0.0.1:{A}").parse().expect("one");
        let slot = Slot::token("wallet", source(&hosts))
            .backoff(MS, MS)
            .origin(origin.clone());
        let layers = ServiceBuilder::new().layer(FollowRedirectLayer::new());
        let client = hosts.client();
        let (caller, auth): (Caller, Auth) = match above {
            "halves" => {
                let auth = Auth::single(slot).expect("a slot");
                let service = layers.layer(auth.layer()).service(client);
                let service = service.map_response(|r| r.status().as_u16());
                (BoxCloneSyncService::new(service), auth)
            }
            _ => {
                let retry = RetryLayer::new().base(MS);
                let stack = Stack::new(origin).slot(slot).retry(retry);
                let stack = stack.build().expect("a stack");
                let auth = stack.auth().clone();
                let service = layers.layer(stack).service(client);
                let service = service.map_response(|r| r.status().as_u16());
                (BoxCloneSyncService::new(service), auth)
            }
        };
        for _ in 0..5 {
            let request = Request::get(hosts.fill("http://127.0.0.1:{A}/api"));
            let request = request.body(Body::default()).expect("a request");
            let status = caller.clone().oneshot(request).await.expect("an answer");
            assert_eq!(status, 401, "{above}");
        }
        assert_eq!(hosts.connections('B'), 0, "{above}");
        assert!(hosts.connections('A') > 0);
        let seen = hosts.seen();
        let asked = seen.iter().filter(|seen| seen.target == "/token").count();
        let counts = auth.token("wallet").expect("a token").counts();
        assert!(
            asked >= 5,
            "{above}: each 401 asks the source anew, and it asks its own endpoint"
        );
        assert_eq!(
            u64::try_from(asked).expect("few"),
            counts.fetches,
            "{above}"
        );
        // The refresh token goes to the token endpoint alone.
        for seen in seen {
            assert_eq!(seen.carries(), seen.target == "/token", "{above}: {seen:?}");
        }
    }
}
