//! Redirects that are followed below the attacher, where no layer sees them.

use tollgate::auth::Elsewhere;
use tower_http::follow_redirect::policy::{SameOrigin, Standard};

use crate::world::{BELOW, KINDS, Kind, Place, world};

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
