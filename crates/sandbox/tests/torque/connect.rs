//! Codes for tokens, and end users.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rsa::sha2::{Digest, Sha256};
use sandbox::TorqueConfig;
use serde_json::json;

use crate::common::Client;
use crate::{plain, start};

#[tokio::test]
async fn a_connect_code_is_exchanged_once_and_only_with_its_verifier() {
    let (torque, client) = plain().await;
    let key = torque.business_key();
    let (verifier, redirect) = (
        "a-verifier-of-some-length-0123456789abcdef",
        "https://partner.example/back",
    );
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let session = || async {
        let reply = client
            .post("/connect/authorize/session")
            .bearer(&key)
            .json(json!({ "redirectUri": redirect, "codeChallenge": challenge, "codeChallengeMethod": "S256", "externalUserId": "u1" }))
            .send()
            .await;
        reply.json()["authorizeUrl"]
            .as_str()
            .expect("a URL")
            .to_owned()
    };
    let exchange = |code: &str, redirect: &str, verifier: &str| {
        client
            .post("/connect/token")
            .bearer(&key)
            .json(json!({ "code": code, "redirectUri": redirect, "codeVerifier": verifier }))
            .send()
    };
    let code = torque.consent(&session().await).expect("a code");
    let token = exchange(&code, redirect, verifier).await.json();
    assert_eq!(token["expiresIn"], 3600);
    let delegated = token["accessToken"].as_str().expect("a token");
    assert_eq!(
        client
            .post("/execute/trades")
            .bearer(delegated)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(exchange(&code, redirect, verifier).await.status, 400);

    let code = torque.consent(&session().await).expect("a code");
    assert_eq!(
        exchange(&code, redirect, "another").await.code(),
        "INVALID_GRANT"
    );
    let code = torque.consent(&session().await).expect("a code");
    assert_eq!(
        exchange(&code, "https://elsewhere.example", verifier)
            .await
            .code(),
        "INVALID_GRANT"
    );

    // A browser's way to the code.
    let url = session().await;
    let sent_back = client.get(&url).send().await;
    assert_eq!(sent_back.status, 302);
    assert!(
        sent_back
            .header("location")
            .is_some_and(|to| to.starts_with(&format!("{redirect}?code=")))
    );
    assert_eq!(torque.consent(&url), None);
    assert_eq!(torque.report().token_requests, 4);
}

#[tokio::test]
async fn end_users_want_an_entitlement() {
    let entitled = plain().await;
    let (torque, client) = start(TorqueConfig {
        entitled: false,
        ..TorqueConfig::default()
    })
    .await;
    let create = |client: &Client| {
        client
            .post("/accounts/end-users")
            .bearer("sk_live_sandbox")
            .json(json!({ "externalUserId": "u", "email": "u@example.com" }))
            .send()
    };
    assert_eq!(create(&client).await.code(), "FORBIDDEN");
    assert_eq!(torque.report().status_403, 1);
    let (first, again) = (create(&entitled.1).await, create(&entitled.1).await);
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
}
