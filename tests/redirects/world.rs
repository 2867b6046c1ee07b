//! A caller with a credential before two hosts, and where it follows redirects.

use std::future::ready;

use http::{HeaderName, Request, Response};
use tollgate::auth::{Auth, Elsewhere};
use tollgate::{
    AuthError, BoxError, Grant, MINUTE, NeverLeft, Quota, Slot, Stack, Window, find, source_fn,
};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::Policy;

use crate::hosts::{Body, CANARY, Hosts};

/// A whole client: the status of the last answer.
pub(crate) type Caller = BoxCloneSyncService<Request<Body>, u16, BoxError>;

/// The places and shapes of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bearer,
    Token,
    Named,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Bearer, Kind::Token, Kind::Named];
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    AboveLayer,
    AboveHalves,
    AboveStack,
    Between,
    BelowLayer,
    BelowHalves,
    BelowStack,
}

pub(crate) const SAFE: [Place; 4] = [
    Place::AboveLayer,
    Place::AboveHalves,
    Place::AboveStack,
    Place::Between,
];

pub(crate) const BELOW: [Place; 3] = [Place::BelowLayer, Place::BelowHalves, Place::BelowStack];

fn slot(kind: Kind) -> Slot {
    match kind {
        Kind::Bearer => Slot::key("key", CANARY),
        Kind::Token => Slot::token("key", source_fn(|_| ready(Ok(Grant::new(CANARY))))),
        Kind::Named => Slot::key("key", CANARY).header(X_API_KEY),
    }
}

pub(crate) fn caller<S, R>(service: S) -> Caller
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
pub(crate) struct World {
    pub(crate) hosts: Hosts,
    caller: Caller,
    pub(crate) window: Window,
}

/// Binds the slot to `origins`, in which ports are filled in.
pub(crate) async fn world(
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
    pub(crate) fn get(&self, uri: &str) -> Request<Body> {
        let uri = self.hosts.fill(uri);
        Request::get(uri).body(Body::default()).expect("a request")
    }

    /// How a call ends: the status, or the reason of the refusal.
    pub(crate) async fn outcome(&self, request: Request<Body>) -> String {
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
    pub(crate) fn assert_nothing_leaked(&self, context: &str) {
        for seen in self.hosts.seen() {
            assert!(seen.host == 'A' || !seen.carries(), "{context}: {seen:?}");
        }
    }
}

pub(crate) const ONLY_A: &[&str] = &["A/0 key"];
