//! Redirects that a client follows, above the credential layers, between them and below them: where the credential goes.
//!
//! Two hosts on loopback ports, which also have names. They write down every header that they see.

#[path = "redirects/below.rs"]
mod below;
#[path = "redirects/carried.rs"]
mod carried;
#[expect(dead_code, reason = "shared with the other tests")]
mod hosts;
#[path = "redirects/world.rs"]
mod world;

use std::future::ready;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Method, Request};
use tollgate::auth::{Auth, Elsewhere, Reason};
use tollgate::{AuthError, Grant, Route, Routes, Slot, find, source_fn};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::Standard;

use hosts::{Body, CANARY, Hosts};
use world::{KINDS, ONLY_A, Place, SAFE, caller, world};

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
