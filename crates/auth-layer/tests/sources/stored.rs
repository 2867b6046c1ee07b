//! A refresh token behind a store, against a server that rotates.

use std::sync::Mutex;

use auth_layer::store::{MemoryStore, Stored};
use auth_layer::{Grant, Slot};

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
