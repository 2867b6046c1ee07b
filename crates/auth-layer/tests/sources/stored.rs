//! A refresh token behind a store, against a server that rotates.

use std::sync::{Arc, Mutex};

use auth_layer::oauth::OAuthClient;
use auth_layer::store::{MemoryStore, StoreState, Stored};
use auth_layer::{EventKind, Grant, Slot};
use bytes::Bytes;
use call_context::BoxError;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::sleep;

use crate::support::{SECOND, client, origin, send};
use crate::token_server::{TokenServer, json, token};

#[tokio::test]
async fn a_server_that_rotates_sees_each_stored_token_once() {
    let newest = Mutex::new("r0".to_owned());
    let server = TokenServer::start(move |n, asked| {
        let mut newest = newest.lock().expect("not poisoned");
        if asked.form["refresh_token"] != *newest {
            return json(400, r#"{"error":"invalid_grant"}"#);
        }
        if !(2..=3).contains(&n) {
            *newest = format!("r{n}");
        }
        match n {
            2 => json(429, ""),
            3 => json(400, r#"{"error":"temporarily_unavailable"}"#),
            4 => json(
                200,
                format!(
                    r#"{{"access_token":"a\nb","token_type":"Bearer","refresh_token":"r{n}"}}"#
                ),
            ),
            n => token(n, true),
        }
    })
    .await;
    let stored = Stored::new(server.client().refresh_token(), MemoryStore::new());
    let kept = stored.grant();
    let slot = Slot::token("person", stored)
        .origin(origin())
        .backoff(SECOND / 100, SECOND / 100);
    let (auth, _, client) = client(slot);
    kept.put(Grant::new("n0").expires_in(3600).refresh_token("r0"))
        .await
        .expect("kept");
    assert_eq!(send(&client).await.expect("an answer"), "Bearer n0");
    for n in [1, 5, 6, 7] {
        auth.token("person").expect("a slot").invalidate();
        assert_eq!(
            send(&client).await.expect("an answer"),
            format!("Bearer t{n}")
        );
    }
    let asked = server.asked();
    let spent: Vec<_> = asked
        .iter()
        .map(|asked| &*asked.form["refresh_token"])
        .collect();
    // What was refused is sent again; what was used up is not, though the token beside its successor was useless.
    assert_eq!(spent, ["r0", "r1", "r1", "r1", "r4", "r5", "r6"]);
}

#[tokio::test]
async fn a_log_out_gives_back_what_the_server_takes() {
    let server = TokenServer::start(|n, asked| match asked.path.as_str() {
        "/token" => token(n, true),
        _ => json(200, ""),
    })
    .await;
    let oauth = server.client().revocation_url(&server.url("/revoke"));
    let source = oauth.expect("a loopback URL").refresh_token();
    let slot = Slot::token("person", source.starting_with("r0")).origin(origin());
    let (auth, _, client) = client(slot);
    send(&client).await.expect("an answer");
    let slot = auth.token("person").expect("a slot");
    slot.log_out().await.expect("given back");
    let asked = server.asked();
    let given: Vec<_> = asked[1..]
        .iter()
        .map(|asked| &*asked.form["token"])
        .collect();
    assert_eq!(given, ["r1", "t1"]);
}

#[tokio::test]
async fn a_log_out_gives_back_what_the_source_alone_knows() {
    let server = TokenServer::start(|_, _| json(200, "")).await;
    let oauth = server.client().revocation_url(&server.url("/revoke"));
    let source = oauth.expect("a loopback URL").refresh_token();
    let slot = Slot::token("person", source.clone()).origin(origin());
    let (auth, ..) = client(slot);
    let slot = auth.token("person").expect("a slot");
    // Logged in, and out again before any request has taken the grant over.
    source.adopt(Grant::new("n1").expires_in(3600).refresh_token("s1"));
    slot.log_out().await.expect("given back");
    let asked = server.asked();
    let given: Vec<_> = asked.iter().map(|asked| &*asked.form["token"]).collect();
    assert_eq!(given, ["s1", "n1"]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_from_before_a_log_out_leaves_the_next_log_in_alone() {
    let slow = tower::service_fn(|_: Request<Full<Bytes>>| async {
        sleep(SECOND * 5).await;
        let body = r#"{"access_token":"a1","token_type":"Bearer","refresh_token":"r1"}"#;
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(body))))
    });
    let oauth = OAuthClient::new("https://id.example.com/token", "id", slow);
    let source = oauth.expect("an https URL").refresh_token();
    let source = source.starting_with("r0");
    let slot = Slot::token("person", source.clone()).origin(origin());
    let (auth, _, client) = client(slot);
    let slot = auth.token("person").expect("a slot");
    let calling = client.clone();
    let call = tokio::spawn(async move { send(&calling).await });
    sleep(SECOND).await;
    slot.log_out().await.expect("nothing to give back");
    // Another person, before the answer to the first one's token.
    source.adopt(Grant::new("n1").expires_in(3600).refresh_token("s1"));
    slot.changed();
    let _ = call.await.expect("no panic");
    sleep(SECOND * 10).await;
    assert_eq!(send(&client).await.expect("an answer"), "Bearer n1");
}

#[tokio::test]
async fn a_token_of_a_type_that_cannot_be_used_does_not_free_the_refresh_token_to_be_sent_again() {
    let server = TokenServer::start(|n, _| match n {
        1 => json(
            200,
            r#"{"access_token":"a","token_type":"DPoP","refresh_token":"r1"}"#,
        ),
        _ => json(400, r#"{"error":"invalid_grant"}"#),
    })
    .await;
    let store = MemoryStore::new();
    let process = || {
        let stored = Stored::new(server.client().refresh_token(), store.clone());
        let kept = stored.grant();
        let (auth, _, client) = client(Slot::token("person", stored).origin(origin()));
        (kept, auth, client)
    };
    let (kept, auth, client) = process();
    let grant = Grant::new("n0").expires_in(3600).refresh_token("r0");
    kept.put(grant).await.expect("kept");
    send(&client).await.expect("the stored token");
    auth.token("person").expect("a slot").invalidate();
    send(&client).await.expect_err("no bearer token");
    // The next start.
    let (kept, auth, client) = process();
    send(&client).await.expect("the stored token");
    auth.token("person").expect("a slot").invalidate();
    send(&client).await.expect_err("nobody knows about `r0`");
    assert_eq!(kept.state(), StoreState::NeedsHuman);
    let asked = server.asked();
    let spent: Vec<_> = asked.iter().map(|a| &*a.form["refresh_token"]).collect();
    assert_eq!(spent, ["r0"]);
}

#[tokio::test]
async fn a_refresh_token_alone_in_a_store_is_spent_by_the_next_fetch() {
    let server = TokenServer::start(|n, _| token(n, true)).await;
    let store = MemoryStore::new();
    let stored = Stored::new(server.client().refresh_token(), store.clone());
    let kept = stored.grant();
    let alone = Grant::refresh_only("r0");
    kept.put(alone).await.expect("kept");
    let (auth, _, first) = client(Slot::token("person", stored).origin(origin()));
    let mut events = auth.subscribe();
    assert_eq!(send(&first).await.expect("an answer"), "Bearer t1");
    let event = events.next().await.expect("an event");
    assert_eq!(event.kind, EventKind::Renewed, "no fetch failed before");
    // The next start finds what came for it.
    let stored = Stored::new(server.client().refresh_token(), store);
    let (_, _, second) = client(Slot::token("person", stored).origin(origin()));
    assert_eq!(send(&second).await.expect("an answer"), "Bearer t1");
    let asked = server.asked();
    let spent: Vec<_> = asked.iter().map(|a| &*a.form["refresh_token"]).collect();
    assert_eq!(spent, ["r0"]);
}

#[tokio::test]
async fn a_refresh_token_alone_is_given_back_without_an_empty_access_token() {
    let server = TokenServer::start(|_, _| json(200, "")).await;
    let oauth = server.client().revocation_url(&server.url("/revoke"));
    let source = oauth.expect("a loopback URL").refresh_token();
    let stored = Stored::new(source, MemoryStore::new());
    let kept = stored.grant();
    let alone = Grant::refresh_only("r0");
    kept.put(alone).await.expect("kept");
    let (auth, ..) = client(Slot::token("person", stored).origin(origin()));
    let slot = auth.token("person").expect("a slot");
    slot.log_out().await.expect("given back");
    let asked = server.asked();
    let given: Vec<_> = asked.iter().map(|asked| &*asked.form["token"]).collect();
    assert_eq!(given, ["r0"]);
}

#[tokio::test]
async fn a_grant_that_the_source_adopts_is_handed_out_and_kept_by_the_store() {
    let server = TokenServer::start(|_, _| json(400, r#"{"error":"invalid_grant"}"#)).await;
    let store = MemoryStore::new();
    let source = server.client().refresh_token();
    let stored = Stored::new(source.clone(), store.clone());
    let kept = stored.grant();
    let alone = Grant::refresh_only("r0");
    kept.put(alone).await.expect("kept");
    let (auth, _, first) = client(Slot::token("person", stored).origin(origin()));
    send(&first).await.expect_err("refused for good");
    source.adopt(Grant::new("n1").expires_in(3600).refresh_token("s1"));
    auth.token("person").expect("a slot").changed();
    assert_eq!(send(&first).await.expect("an answer"), "Bearer n1");
    // The next start.
    let stored = Stored::new(server.client().refresh_token(), store);
    let (_, _, second) = client(Slot::token("person", stored).origin(origin()));
    assert_eq!(send(&second).await.expect("an answer"), "Bearer n1");
    assert_eq!(server.asked().len(), 1);
}

/// The tokens that a server is given back, in order.
fn given(server: &TokenServer) -> Vec<String> {
    let asked = server.asked().into_iter();
    asked
        .filter_map(|asked| asked.form.get("token").cloned())
        .collect()
}

#[tokio::test]
async fn a_log_in_that_is_adopted_right_after_a_log_out_that_nobody_waits_for_stays() {
    for stored in [false, true] {
        let server = TokenServer::start(|_, _| json(200, "")).await;
        let oauth = server.client().revocation_url(&server.url("/revoke"));
        let source = oauth.expect("a loopback URL").refresh_token();
        let slot = match stored {
            true => Slot::token("person", Stored::new(source.clone(), MemoryStore::new())),
            false => Slot::token("person", source.clone()),
        };
        let (auth, _, client) = client(slot.origin(origin()));
        let slot = auth.token("person").expect("a slot");
        source.adopt(Grant::new("n1").expires_in(3600).refresh_token("s1"));
        assert_eq!(send(&client).await.expect("an answer"), "Bearer n1");
        let telling = slot.log_out();
        source.adopt(Grant::new("n2").expires_in(3600).refresh_token("s2"));
        telling.await.expect("given back");
        slot.changed();
        assert_eq!(send(&client).await.expect("an answer"), "Bearer n2");
        assert_eq!(given(&server), ["s1", "n1"], "stored: {stored}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_a_log_out_has_ended_before_it_ran_leaves_the_next_log_in_alone() {
    for is_stored in [false, true] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let server = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let path = request.uri().path().to_owned();
            seen.lock().expect("not poisoned").push(path);
            async { Ok::<_, BoxError>(Response::new(Full::new(Bytes::new()))) }
        });
        let oauth = OAuthClient::new("https://id.example.com/token", "my program", server);
        let oauth = oauth.expect("an https URL");
        let oauth = oauth.revocation_url("https://id.example.com/revoke");
        let source = oauth.expect("an https URL").refresh_token();
        let stored = Stored::new(source.clone(), MemoryStore::new());
        let kept = stored.grant();
        let slot = match is_stored {
            true => Slot::token("person", stored),
            false => Slot::token("person", source.clone()),
        };
        let (auth, _, client) = client(slot.origin(origin()));
        let slot = auth.token("person").expect("a slot");
        // The fetch is a task that has not run yet.
        let mut first = Box::pin(send(&client));
        assert!((&mut first).now_or_never().is_none());
        drop(slot.log_out());
        let login = Grant::new("n1").expires_in(3600).refresh_token("s1");
        if is_stored {
            let mut putting = Box::pin(kept.put(login));
            assert!((&mut putting).now_or_never().is_none());
            slot.changed();
            putting.await.expect("kept");
        } else {
            source.adopt(login);
            slot.changed();
        }
        sleep(SECOND).await;
        let credential = first.await.expect("an answer");
        assert_eq!(credential, "Bearer n1", "stored: {is_stored}");
        sleep(SECOND).await;
        let asked = asked.lock().expect("not poisoned");
        assert!(asked.is_empty(), "stored: {is_stored}: {asked:?}");
    }
}
