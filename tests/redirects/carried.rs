//! What else of a request goes along: its `Host`, its body, and what its caller wants.

use bytes::Bytes;
use http::Method;
use http::header::HOST;
use tollgate::BoxError;
use tollgate::auth::{Elsewhere, Override};
use tower_http::follow_redirect::policy::{
    FilterCredentials, Limited, Policy, PolicyExt, Standard, clone_body_fn,
};

use crate::hosts::{Body, host_header};
use crate::world::{KINDS, Kind, ONLY_A, Place, SAFE, world};

#[tokio::test]
async fn a_host_header_of_the_callers_does_not_come_along_to_another_host() {
    for elsewhere in [Elsewhere::Refuse, Elsewhere::PassBare] {
        for place in SAFE {
            for kind in KINDS {
                let origins = ["http://127.0.0.1:{A}"];
                let world = world(kind, place, elsewhere, &origins, Standard::default()).await;
                world.hosts.redirect("/0", 302, "http://127.0.0.1:{B}/1");
                let mut request = world.get("http://127.0.0.1:{A}/0");
                let host = world.hosts.fill("127.0.0.1:{A}").parse();
                request.headers_mut().insert(HOST, host.expect("a value"));
                // It names A still as the request goes to B.
                assert_eq!(world.outcome(request).await, "ForgedHost");
                assert_eq!(world.hosts.log(), ONLY_A);
                assert_eq!(
                    host_header(&world.hosts.seen()[0]),
                    world.hosts.fill("127.0.0.1:{A}")
                );
            }
        }
    }
}

/// Follows as usual, and sends bodies again.
fn with_bodies() -> impl Policy<Body, BoxError> + Clone + Send + Sync + 'static {
    PolicyExt::or::<_, Body, BoxError>(
        Standard::default(),
        clone_body_fn(|body: &Body| Some(body.clone())),
    )
}

#[tokio::test]
async fn a_307_takes_the_body_along_where_the_request_may_go_and_the_credential_nowhere_else() {
    const BODY: &[u8] = b"amount=1";
    for (location, elsewhere, outcome, log, bodies) in [
        (
            "/1",
            Elsewhere::Refuse,
            "200",
            &["A/0 key", "A/1 key"][..],
            2,
        ),
        (
            "http://127.0.0.1:{B}/1",
            Elsewhere::Refuse,
            "Elsewhere",
            ONLY_A,
            1,
        ),
        (
            "http://127.0.0.1:{B}/1",
            Elsewhere::PassBare,
            "200",
            &["A/0 key", "B/1 bare"],
            2,
        ),
    ] {
        for place in SAFE {
            for kind in KINDS {
                let origins = ["http://127.0.0.1:{A}"];
                let world = world(kind, place, elsewhere, &origins, with_bodies()).await;
                world.hosts.redirect("/0", 307, location);
                let mut request = world.get("http://127.0.0.1:{A}/0");
                *request.method_mut() = Method::POST;
                *request.body_mut() = Body::new(Bytes::from_static(BODY));
                assert_eq!(world.outcome(request).await, outcome, "{place:?} {kind:?}");
                assert_eq!(world.hosts.log(), log, "{place:?} {kind:?}");
                world.assert_nothing_leaked(location);
                let seen = world.hosts.seen();
                assert_eq!(seen.iter().filter(|seen| seen.body == BODY).count(), bodies);
            }
        }
    }
}

#[tokio::test]
async fn after_a_foreign_hop_tower_http_has_forgotten_an_override_unless_it_is_allowed() {
    let remembering = Limited::default()
        .and::<_, Body, BoxError>(FilterCredentials::new().allow_extension::<Override>());
    let forgetting = Standard::default();
    let origins = ["http://127.0.0.1:{A}"];
    let (place, rule) = (Place::AboveLayer, Elsewhere::PassBare);
    for (world, last) in [
        (
            world(Kind::Bearer, place, rule, &origins, forgetting).await,
            "A/2 key",
        ),
        (
            world(Kind::Bearer, place, rule, &origins, remembering).await,
            "A/2 bare",
        ),
    ] {
        world.hosts.redirect("/0", 302, "http://127.0.0.1:{B}/1");
        world.hosts.redirect("/1", 302, "http://127.0.0.1:{A}/2");
        let mut request = world.get("http://127.0.0.1:{A}/0");
        request.extensions_mut().insert(Override::nothing());
        assert_eq!(world.outcome(request).await, "200");
        assert_eq!(world.hosts.log(), ["A/0 bare", "B/1 bare", last]);
    }
}
