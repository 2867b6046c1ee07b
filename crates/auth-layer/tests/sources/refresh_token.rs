//! Refresh tokens, against a real server.

use std::sync::Mutex;

use auth_layer::oauth::RefreshToken;
use auth_layer::{Auth, Grant, Reason, Slot};

use crate::support::{Client, SECOND, chain, client, origin, refused, send};
use crate::token_server::{TokenServer, json, token};

fn slot(source: RefreshToken) -> (Auth, Client) {
    let slot = Slot::token("person", source)
        .origin(origin())
        .backoff(SECOND / 100, SECOND / 100);
    let (auth, _, client) = client(slot);
    (auth, client)
}

async fn renewed(auth: &Auth, client: &Client) -> String {
    auth.token("person").expect("a token slot").invalidate();
    send(client).await.expect("an answer")
}

fn spent(server: &TokenServer) -> Vec<String> {
    let asked = server.asked().into_iter();
    let spent = asked.map(|mut asked| {
        assert_eq!(asked.form["grant_type"], "refresh_token");
        asked.form.remove("refresh_token").expect("a refresh token")
    });
    spent.collect()
}

#[tokio::test]
async fn a_server_that_rotates_sees_each_refresh_token_once() {
    let newest = Mutex::new("r0".to_owned());
    let server = TokenServer::start(move |n, asked| {
        let mut newest = newest.lock().expect("not poisoned");
        if asked.form["refresh_token"] != *newest {
            return json(400, r#"{"error":"invalid_grant"}"#);
        }
        *newest = format!("r{n}");
        token(n, true)
    })
    .await;
    let source = server
        .client()
        .refresh_token()
        .starting_with("r0")
        .scope("read");
    let (auth, client) = slot(source);
    for n in 1..=5 {
        assert_eq!(renewed(&auth, &client).await, format!("Bearer t{n}"));
    }
    assert_eq!(spent(&server), ["r0", "r1", "r2", "r3", "r4"]);
    let asked = &server.asked()[0];
    assert_eq!(asked.form["scope"], "read");
    assert!(asked.authorization.is_some());
}

#[tokio::test]
async fn the_old_refresh_token_is_kept_where_the_server_omits_a_new_one() {
    let server = TokenServer::start(|n, _| token(n, n == 2)).await;
    let (auth, client) = slot(server.client().refresh_token().starting_with("r0"));
    for n in 1..=4 {
        assert_eq!(renewed(&auth, &client).await, format!("Bearer t{n}"));
    }
    assert_eq!(spent(&server), ["r0", "r0", "r2", "r2"]);
}

#[tokio::test]
async fn a_new_refresh_token_is_kept_though_the_token_beside_it_is_useless() {
    let server = TokenServer::start(|n, _| match n {
        1 => json(
            200,
            r#"{"access_token":"a\nb","token_type":"Bearer","refresh_token":"r1"}"#,
        ),
        2 => json(
            200,
            r#"{"access_token":"ab","token_type":"Bearer","expires_in":0,"refresh_token":"r2"}"#,
        ),
        3 => json(503, ""),
        n => token(n, true),
    })
    .await;
    let (_, client) = slot(server.client().refresh_token().starting_with("r0"));
    assert_eq!(send(&client).await.expect("an answer"), "Bearer t4");
    assert_eq!(spent(&server), ["r0", "r1", "r2", "r2"]);
}

#[tokio::test]
async fn a_grant_that_has_ended_needs_a_person_and_a_new_log_in_heals_it() {
    let server = TokenServer::start(|n, asked| match asked.form["refresh_token"].as_str() {
        "r0" => json(400, r#"{"error":"invalid_grant"}"#),
        _ => token(n, true),
    })
    .await;
    let source = server.client().refresh_token().starting_with("r0");
    let (auth, client) = slot(source.clone());
    for _ in 0..3 {
        let error = send(&client).await.expect_err("a refusal");
        assert_eq!(refused(&error).reason(), Reason::Refused);
        let text = chain(&*error);
        assert!(text.contains("a person must log in again"), "{text}");
        assert!(text.contains("credential slot `person`"), "{text}");
    }
    assert_eq!(server.asked().len(), 1);

    source.adopt(Grant::new("n1").expires_in(3600).refresh_token("r1"));
    auth.token("person").expect("a token slot").changed();
    assert_eq!(send(&client).await.expect("an answer"), "Bearer n1");
    assert_eq!(server.asked().len(), 1, "the grant itself was used");
    assert_eq!(renewed(&auth, &client).await, "Bearer t2");
    assert_eq!(spent(&server), ["r0", "r1"]);
}

#[tokio::test]
async fn without_any_refresh_token_the_error_says_what_to_do() {
    let server = TokenServer::start(|n, _| token(n, true)).await;
    let (_, client) = slot(server.client().refresh_token());
    let error = send(&client).await.expect_err("a refusal");
    assert_eq!(refused(&error).reason(), Reason::Refused);
    let text = chain(&*error);
    assert!(text.contains("RefreshToken::adopt"), "{text}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn tokens_are_given_back_where_the_server_takes_them() {
    let server = TokenServer::start(|_, asked| {
        assert_eq!(asked.path, "/revoke");
        match asked.form["token"].as_str() {
            "t2" => json(
                400,
                r#"{"error":"unsupported_token_type","error_description":"canary"}"#,
            ),
            "t3" => json(503, "canary"),
            _ => json(200, ""),
        }
    })
    .await;
    let (r1, t1, t2, t3) = ("r1".into(), "t1".into(), "t2".into(), "t3".into());
    let nowhere = server.client();
    nowhere
        .revoke(Some(&r1), Some(&t1))
        .await
        .expect("nothing to do");
    assert!(server.asked().is_empty());

    let oauth = server.client().revocation_url(&server.url("/revoke"));
    let oauth = oauth.expect("a loopback URL");
    oauth
        .revoke(Some(&r1), Some(&t1))
        .await
        .expect("given back");
    let asked = server.asked();
    let given: Vec<_> = asked
        .iter()
        .map(|asked| (&*asked.form["token_type_hint"], &*asked.form["token"]))
        .collect();
    assert_eq!(given, [("refresh_token", "r1"), ("access_token", "t1")]);
    assert!(asked.iter().all(|asked| asked.authorization.is_some()));

    for (token, permanent, says) in [(t2, true, "`unsupported_token_type`"), (t3, false, "503")] {
        let error = oauth
            .revoke(None, Some(&token))
            .await
            .expect_err("not given back");
        assert_eq!(error.is_permanent(), permanent);
        let text = chain(&error);
        assert!(text.contains(says) && !text.contains("canary"), "{text}");
    }
    for url in [
        "http://id.example.com/revoke",
        "https://id.example.com/revoke#x",
    ] {
        assert!(server.client().revocation_url(url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn what_is_forgotten_is_not_spent() {
    let server = TokenServer::start(|n, _| token(n, true)).await;
    let source = server.client().refresh_token().starting_with("r0");
    source.adopt(Grant::new("n1").refresh_token("r1").expires_in(60));
    source.forget();
    let (_, client) = slot(source);
    let error = send(&client).await.expect_err("a refusal");
    assert!(chain(&*error).contains("there is no refresh token"));
    assert!(server.asked().is_empty());
}
