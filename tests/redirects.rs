//! Redirects that a client follows, above the credential layers, between them and below them: where the credential goes.
//!
//! Two hosts on loopback ports, which also have names. They write down every header that they see.

#[expect(dead_code, reason = "shared with the other tests")]
mod hosts;

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, Method, Request, Response};
use tollgate::auth::{Auth, Elsewhere, Override, Reason};
use tollgate::{
    AuthError, BoxError, Grant, MINUTE, NeverLeft, Quota, Route, Routes, Slot, Stack, Window, find,
    source_fn,
};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{
    FilterCredentials, Limited, Policy, PolicyExt, SameOrigin, Standard, clone_body_fn,
};

use hosts::{Body, CANARY, Hosts, host_header};

/// A whole client: the status of the last answer.
type Caller = BoxCloneSyncService<Request<Body>, u16, BoxError>;

/// The places and shapes of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bearer,
    Token,
    Named,
}

const KINDS: [Kind; 3] = [Kind::Bearer, Kind::Token, Kind::Named];
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    AboveLayer,
    AboveHalves,
    AboveStack,
    Between,
    BelowLayer,
    BelowHalves,
    BelowStack,
}

const SAFE: [Place; 4] = [
    Place::AboveLayer,
    Place::AboveHalves,
    Place::AboveStack,
    Place::Between,
];

const BELOW: [Place; 3] = [Place::BelowLayer, Place::BelowHalves, Place::BelowStack];

fn slot(kind: Kind) -> Slot {
    match kind {
        Kind::Bearer => Slot::key("key", CANARY),
        Kind::Token => Slot::token("key", source_fn(|_| ready(Ok(Grant::new(CANARY))))),
        Kind::Named => Slot::key("key", CANARY).header(X_API_KEY),
    }
}

fn caller<S, R>(service: S) -> Caller
where
    S: Service<Request<Body>, Response = Response<R>, Error = BoxError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let status = |response: Response<R>| response.status().as_u16();
    BoxCloneSyncService::new(service.map_response(status))
}

/// One caller before fresh hosts.
struct World {
    hosts: Hosts,
    caller: Caller,
    window: Window,
}

/// Binds the slot to `origins`, in which ports are filled in.
async fn world(
    kind: Kind,
    place: Place,
    elsewhere: Elsewhere,
    origins: &[&str],
    policy: impl Policy<Body, BoxError> + Clone + Send + Sync + 'static,
) -> World {
    let hosts = Hosts::start().await;
    let mut slot = slot(kind);
    for origin in origins {
        let origin = hosts.fill(origin).parse().expect("an origin");
        slot = slot.plain_http(origin);
    }
    let window = Window::new(Quota::rolling(100, MINUTE));
    let first = hosts.fill(origins[0]).parse().expect("an origin");
    let stack = Stack::new(first)
        .slot(slot)
        .elsewhere(elsewhere)
        .limit(window.clone())
        .build()
        .expect("a stack");
    let auth: Auth = stack.auth().clone();
    let client = hosts.client();
    let follow = FollowRedirectLayer::with_policy(policy);
    let layers = ServiceBuilder::new();
    let caller = match place {
        Place::AboveLayer => caller(layers.layer(follow).layer(auth.layer()).service(client)),
        Place::AboveHalves => {
            let layers = layers.layer(follow).layer(auth.gate());
            caller(layers.layer(auth.attach()).service(client))
        }
        Place::AboveStack => caller(layers.layer(follow).layer(stack).service(client)),
        Place::Between => {
            let layers = layers.layer(auth.gate()).layer(follow);
            caller(layers.layer(auth.attach()).service(client))
        }
        Place::BelowLayer => caller(layers.layer(auth.layer()).layer(follow).service(client)),
        Place::BelowHalves => {
            let layers = layers.layer(auth.gate()).layer(auth.attach());
            caller(layers.layer(follow).service(client))
        }
        Place::BelowStack => caller(layers.layer(stack).layer(follow).service(client)),
    };
    World {
        hosts,
        caller,
        window,
    }
}

impl World {
    fn get(&self, uri: &str) -> Request<Body> {
        let uri = self.hosts.fill(uri);
        Request::get(uri).body(Body::default()).expect("a request")
    }

    /// How a call ends: the status, or the reason of the refusal.
    async fn outcome(&self, request: Request<Body>) -> String {
        match self.caller.clone().oneshot(request).await {
            Ok(status) => status.to_string(),
            Err(error) => {
                assert!(NeverLeft::find(&*error).is_some(), "{error}");
                let refused = find::<AuthError>(&*error).expect("a refusal");
                format!("{:?}", refused.reason())
            }
        }
    }

    /// No server but A has seen the secret, anywhere in a request.
    fn assert_nothing_leaked(&self, context: &str) {
        for seen in self.hosts.seen() {
            assert!(seen.host == 'A' || !seen.carries(), "{context}: {seen:?}");
        }
    }
}

/// A chain from `/0` at host A: who redirects where, how it ends, and who sees what.
struct Chain {
    hops: &'static [(&'static str, &'static str)],
    /// Where requests that go elsewhere are refused.
    refuse: (&'static str, &'static [&'static str]),
    /// Where they pass bare.
    bare: (&'static str, &'static [&'static str]),
}

/// Follows each chain in each safe place, with each kind of credential.
async fn follow(start: &str, origins: &[&str], chains: &[Chain]) {
    for chain in chains {
        for (elsewhere, expected) in [
            (Elsewhere::Refuse, chain.refuse),
            (Elsewhere::PassBare, chain.bare),
        ] {
            for place in SAFE {
                for kind in KINDS {
                    let context = format!("{:?} {elsewhere:?} {place:?} {kind:?}", chain.hops);
                    let world = world(kind, place, elsewhere, origins, Standard::default()).await;
                    for (path, location) in chain.hops {
                        world.hosts.redirect(path, 302, location);
                    }
                    let outcome = world.outcome(world.get(start)).await;
                    let log = world.hosts.log();
                    assert_eq!(
                        (outcome.as_str(), &*log),
                        (expected.0, &*owned(expected.1)),
                        "{context}"
                    );
                    world.assert_nothing_leaked(&context);
                    if place == Place::AboveStack {
                        let snapshot = world.window.snapshot();
                        let places = (snapshot.used as usize, snapshot.in_flight);
                        assert_eq!(places, (log.len(), 0), "{context}: each hop is counted");
                    }
                }
            }
        }
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

const ONLY_A: &[&str] = &["A/0 key"];

#[tokio::test]
async fn between_ports_no_redirect_takes_a_credential_along() {
    const TO_B: &str = "http://127.0.0.1:{B}/1";
    let chains = [
        // A→B
        Chain {
            hops: &[("/0", TO_B)],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
        // A→B→B
        Chain {
            hops: &[("/0", TO_B), ("/1", "/2")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare", "B/2 bare"]),
        },
        // A→B→A
        Chain {
            hops: &[("/0", TO_B), ("/1", "http://127.0.0.1:{A}/2")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare", "A/2 key"]),
        },
        // A→A→A
        Chain {
            hops: &[("/0", "/1"), ("/1", "http://127.0.0.1:{A}/2")],
            refuse: ("200", &["A/0 key", "A/1 key", "A/2 key"]),
            bare: ("200", &["A/0 key", "A/1 key", "A/2 key"]),
        },
        // Spellings of A before the host that it really goes to.
        Chain {
            hops: &[("/0", "http://127.0.0.1:{A}@127.0.0.1:{B}/1")],
            refuse: ("UserInformation", ONLY_A),
            bare: ("UserInformation", ONLY_A),
        },
        Chain {
            hops: &[("/0", "http://user:password@127.0.0.1:{A}/1")],
            refuse: ("UserInformation", ONLY_A),
            bare: ("UserInformation", ONLY_A),
        },
        Chain {
            hops: &[("/0", "http://127.0.0.1:{B}#@127.0.0.1:{A}/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/ bare"]),
        },
        Chain {
            hops: &[("/0", r"http:\\127.0.0.1:{B}\1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
        Chain {
            hops: &[("/0", "//127.0.0.1:{B}/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
        // The URL library of tower-http rewrites these to 127.0.0.1 before anybody looks.
        Chain {
            hops: &[("/0", "http://127.1:{A}/1"), ("/1", "http://0x7f.1:{A}/2")],
            refuse: ("200", &["A/0 key", "A/1 key", "A/2 key"]),
            bare: ("200", &["A/0 key", "A/1 key", "A/2 key"]),
        },
        Chain {
            hops: &[("/0", "http://127.1:{B}/1"), ("/1", "http://0x7f.1:{B}/2")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare", "B/2 bare"]),
        },
        // The same machine under another name is another origin.
        Chain {
            hops: &[("/0", "http://localhost:{A}/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "A/1 bare"]),
        },
        Chain {
            hops: &[("/0", "https://127.0.0.1:{A}/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "A/1 bare"]),
        },
    ];
    follow("http://127.0.0.1:{A}/0", &["http://127.0.0.1:{A}"], &chains).await;
}

#[tokio::test]
async fn between_names_no_redirect_takes_a_credential_along() {
    let chains = [
        // A→B
        Chain {
            hops: &[("/0", "http://b.test/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
        // A→B→B
        Chain {
            hops: &[("/0", "http://b.test/1"), ("/1", "http://b.test/2")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare", "B/2 bare"]),
        },
        // A→B→A
        Chain {
            hops: &[("/0", "http://b.test/1"), ("/1", "http://a.test/2")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare", "A/2 key"]),
        },
        // A in upper case, and with the port that it has anyway.
        Chain {
            hops: &[("/0", "http://A.TEST/1"), ("/1", "HTTP://a.Test:80/2")],
            refuse: ("200", &["A/0 key", "A/1 key", "A/2 key"]),
            bare: ("200", &["A/0 key", "A/1 key", "A/2 key"]),
        },
        // The name is A's, the port is not.
        Chain {
            hops: &[("/0", "http://a.test:{B}/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
        // With a dot at its end it is another name, whoever answers to it.
        Chain {
            hops: &[("/0", "http://a.test./1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "A/1 bare"]),
        },
        Chain {
            hops: &[("/0", "http://a.test@b.test/1")],
            refuse: ("UserInformation", ONLY_A),
            bare: ("UserInformation", ONLY_A),
        },
        Chain {
            hops: &[("/0", "http://a.test.b.test/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
        // Every letter looks like A's.
        Chain {
            hops: &[("/0", "http://xn--80a.test/1")],
            refuse: ("Elsewhere", ONLY_A),
            bare: ("200", &["A/0 key", "B/1 bare"]),
        },
    ];
    follow("http://a.test/0", &["http://a.test"], &chains).await;
}

#[tokio::test]
async fn no_redirect_takes_a_credential_from_https_to_plain_http() {
    let chains = [
        Chain {
            hops: &[("/0", "http://a.test/1")],
            refuse: ("PlainHttp", ONLY_A),
            bare: ("200", &["A/0 key", "A/1 bare"]),
        },
        // And back: the credential is put on again where it belongs.
        Chain {
            hops: &[("/0", "http://a.test/1"), ("/1", "https://a.test/2")],
            refuse: ("PlainHttp", ONLY_A),
            bare: ("200", &["A/0 key", "A/1 bare", "A/2 key"]),
        },
    ];
    follow("https://a.test/0", &["https://a.test"], &chains).await;
}

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

/// What the layers cannot see, and `docs/threat-model.md` says so: who follows redirects below them.
#[tokio::test]
async fn followed_below_the_attacher_a_redirect_takes_a_named_header_along() {
    for (second, log) in [
        ("http://127.0.0.1:{B}/2", ["A/0", "B/1", "B/2"]),
        ("http://127.0.0.1:{A}/2", ["A/0", "B/1", "A/2"]),
    ] {
        for place in BELOW {
            for kind in KINDS {
                let origins = ["http://127.0.0.1:{A}"];
                let policy = Standard::default();
                let world = world(kind, place, Elsewhere::Refuse, &origins, policy).await;
                world.hosts.redirect("/0", 302, "http://127.0.0.1:{B}/1");
                world.hosts.redirect("/1", 302, second);
                let outcome = world.outcome(world.get("http://127.0.0.1:{A}/0")).await;
                assert_eq!(outcome, "200", "{place:?} {kind:?}");
                // tower-http takes `Authorization` off on the way to another origin, for good; any other header stays.
                let loads = match kind {
                    Kind::Bearer | Kind::Token => ["key", "bare", "bare"],
                    Kind::Named => ["key"; 3],
                };
                let lines = log
                    .iter()
                    .zip(loads)
                    .map(|(at, load)| format!("{at} {load}"));
                assert_eq!(
                    world.hosts.log(),
                    lines.collect::<Vec<_>>(),
                    "{place:?} {kind:?}"
                );
                if place == Place::BelowStack {
                    assert_eq!(world.window.snapshot().used, 1, "three were sent");
                }
            }
        }
    }
}

#[tokio::test]
async fn below_the_attacher_a_policy_of_the_same_origin_takes_nothing_along() {
    for place in BELOW {
        for kind in KINDS {
            let origins = ["http://127.0.0.1:{A}"];
            let policy = SameOrigin::new();
            let world = world(kind, place, Elsewhere::Refuse, &origins, policy).await;
            world.hosts.redirect("/0", 302, "/1");
            world.hosts.redirect("/1", 302, "http://127.0.0.1:{B}/2");
            let outcome = world.outcome(world.get("http://127.0.0.1:{A}/0")).await;
            assert_eq!(outcome, "302", "{place:?} {kind:?}");
            assert_eq!(
                world.hosts.log(),
                ["A/0 key", "A/1 key"],
                "{place:?} {kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn each_hop_takes_the_credential_of_its_own_route() {
    let hosts = Hosts::start().await;
    hosts.redirect("/read", 302, "/execute");
    let routes = Routes::new([
        Route::new(Method::GET, "/read", "read"),
        Route::new(Method::GET, "/execute", "execute"),
    ]);
    let token = format!("{CANARY}-execute");
    let source = source_fn(move |_| ready(Ok(Grant::new(token.clone()))));
    let auth = Auth::builder()
        .origin(hosts.fill("http://127.0.0.1:{A}").parse().expect("one"))
        .slot(Slot::key("business", format!("{CANARY}-read")))
        .slot(Slot::token("wallet", source))
        .routes(Arc::new(routes.expect("a table")))
        .class("read", "business")
        .class("execute", "wallet")
        .build()
        .expect("a table");
    let follow = FollowRedirectLayer::new();
    let above = ServiceBuilder::new()
        .layer(follow.clone())
        .layer(auth.layer());
    let above = caller(above.service(hosts.client()));
    let between = ServiceBuilder::new().layer(auth.gate()).layer(follow);
    let between = caller(between.layer(auth.attach()).service(hosts.client()));
    let get = || Request::get(hosts.fill("http://127.0.0.1:{A}/read")).body(Body::default());

    assert_eq!(
        above.oneshot(get().expect("one")).await.expect("an answer"),
        200
    );
    let error = between.oneshot(get().expect("one")).await;
    let error = error.expect_err("the gate has chosen another slot");
    let refused = find::<AuthError>(&*error).expect("a refusal");
    assert_eq!(refused.reason(), Reason::SlotChanged);
    let seen = hosts.seen().into_iter().map(|seen| {
        let value = seen.headers[AUTHORIZATION].to_str().expect("visible ASCII");
        (seen.target, value.replace(CANARY, "key"))
    });
    let seen: Vec<_> = seen.collect();
    let seen: Vec<_> = seen
        .iter()
        .map(|(to, key)| (to.as_str(), key.as_str()))
        .collect();
    let read = ("/read", "Bearer key-read");
    assert_eq!(seen, [read, ("/execute", "Bearer key-execute"), read]);
}
