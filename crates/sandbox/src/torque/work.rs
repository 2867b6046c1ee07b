//! What each surface answers.

use std::{convert::Infallible, sync::atomic::Ordering, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::time;

use super::{
    connect::{Refusal, Session},
    envelope::{bad_request, cooling_down, error},
    routes::{Surface, canonical},
    system::{App, Caller},
};
use crate::{
    answer::{self, Answer},
    call::Call,
    common::Terms,
    exchange::System,
    tokens::Kind,
    trades::Stored,
};

/// The most items that one feed answer holds.
const FEED_MOST: usize = 24;

/// Between two events of a streamed chat.
const EVENT_EVERY: Duration = Duration::from_millis(5);

const REPLY: [&str; 5] = ["The ", "market ", "is ", "a ", "sandbox."];

impl App {
    pub(super) async fn answer(&self, surface: Surface, call: &Call, caller: &Caller) -> Answer {
        match surface {
            Surface::Capabilities => ok(&json!({
                "version": "v1",
                "layers": ["READ", "DECIDE", "EXECUTE"],
                "chains": [1, 137, 8453],
            })),
            Surface::Feed => self.feed(call, caller),
            Surface::Portfolio => ok(&json!({
                "owner": caller.principal,
                "positions": [{ "asset": "USDC", "amount": "250.00" }, { "asset": "SOL", "amount": "3.5" }],
            })),
            Surface::Chat => self.chat(call),
            Surface::Execute => self.execute(call, caller).await,
            Surface::WalletAccount => ok(&json!({ "wallet": caller.principal, "kind": "smart" })),
            Surface::BusinessAccount => ok(&json!({
                "business": caller.principal,
                "entitlements": if self.config.entitled { vec!["end_users"] } else { vec![] },
            })),
            Surface::EndUsers => self.end_user(call),
            Surface::Deposits => self.deposits(call),
            Surface::AuthorizeSession => self.authorize_session(call),
            Surface::Token => self.exchange_code(call),
            Surface::Nowhere => error(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "there is no such route, or not with this method",
                json!({}),
            ),
        }
    }

    fn feed(&self, call: &Call, caller: &Caller) -> Answer {
        if matches!(
            call.query.get("force").map(String::as_str),
            Some("1" | "true")
        ) {
            let now = self.common().clock.now();
            let mut forced = self.forced.lock();
            let until = forced
                .get(&caller.principal)
                .map(|&at| at + self.config.cooldown);
            if let Some(until) = until.filter(|&until| now < until) {
                return cooling_down(until - now);
            }
            forced.insert(caller.principal.clone(), now);
        }
        let asked = call.query.get("limit").and_then(|limit| limit.parse().ok());
        let items: Vec<_> = (1..=asked.unwrap_or(FEED_MOST / 2).min(FEED_MOST))
            .map(|n| json!({ "id": format!("item-{n}"), "lane": "markets", "kind": "signal", "score": n }))
            .collect();
        ok(&json!({
            "items": items,
            "meta": { "manifestVersion": "sandbox-1", "count": items.len() },
        }))
    }

    fn chat(&self, call: &Call) -> Answer {
        let earlier = self.chats.fetch_add(1, Ordering::Relaxed);
        if self
            .config
            .assistant_credits
            .is_some_and(|credits| earlier >= credits)
        {
            return error(
                StatusCode::PAYMENT_REQUIRED,
                "assistant_credits_exhausted",
                "no chats are left",
                json!({}),
            );
        }
        if call.query.get("stream").map(String::as_str) != Some("true") {
            return ok(&json!({ "message": { "role": "assistant", "content": REPLY.concat() } }));
        }
        let events = REPLY
            .iter()
            .map(|word| format!("event: delta\ndata: {}\n\n", json!({ "content": word })))
            .chain(["event: done\ndata: {}\n\n".into()]);
        let paced = stream::unfold(events, async |mut events| {
            let event = events.next()?;
            time::sleep(EVENT_EVERY).await;
            Some((Ok::<_, Infallible>(Bytes::from(event)), events))
        });
        let mut answer = Answer::new(Body::from_stream(paced));
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        answer
    }

    /// Carries a trade out, once for each idempotency key of a caller on a route.
    async fn execute(&self, call: &Call, caller: &Caller) -> Answer {
        if !matches!(call.json, Value::Object(_) | Value::Null) {
            return bad_request("BUILD_FAILED", "the body is no JSON object");
        }
        let path = canonical(call.path()).unwrap_or_else(|| call.path().into());
        let key = call
            .header("idempotency-key")
            .map(|key| format!("{} {path} {key}", caller.principal));
        let client_trade = call.field("clientTradeId");
        let identity = client_trade.clone().or_else(|| key.clone());
        let answer = |number: u64| Stored {
            status: StatusCode::OK,
            headers: answer::bytes(StatusCode::OK, Bytes::new())
                .headers()
                .clone(),
            body: Bytes::from(
                json!({
                    "id": format!("trade-{number}"),
                    "status": "executed",
                    "route": path,
                    "clientTradeId": client_trade,
                })
                .to_string(),
            ),
        };
        let clock = || self.common().clock.now();
        let (stored, replayed) = self
            .common()
            .trades
            .execute(key, identity, clock, answer)
            .await;
        let mut answer = stored.answer().map(Body::from);
        if replayed {
            answer
                .headers_mut()
                .insert("x-sandbox-replayed", HeaderValue::from_static("true"));
        }
        answer
    }

    fn end_user(&self, call: &Call) -> Answer {
        if !self.config.entitled {
            return forbidden();
        }
        match call.field("externalUserId") {
            // The same user each time: its name is made of what the caller calls it.
            Some(user) => ok(&json!({
                "id": format!("user-{user}"),
                "externalUserId": user,
                "email": call.field("email"),
            })),
            None => bad_request("BUILD_FAILED", "externalUserId is missing"),
        }
    }

    fn deposits(&self, call: &Call) -> Answer {
        if !self.config.entitled {
            return forbidden();
        }
        let user = call.path().rsplit('/').nth(1);
        ok(&json!({ "endUser": user, "deposits": [] }))
    }

    fn authorize_session(&self, call: &Call) -> Answer {
        let (Some(redirect_uri), Some(challenge)) =
            (call.field("redirectUri"), call.field("codeChallenge"))
        else {
            return bad_request("BUILD_FAILED", "redirectUri and codeChallenge are needed");
        };
        let method = call
            .field("codeChallengeMethod")
            .or_else(|| call.field("method"));
        if method.is_some_and(|method| method != "S256") {
            return bad_request("BUILD_FAILED", "the challenge's method is S256");
        }
        let session = self.connect.open(Session {
            redirect_uri,
            challenge,
            user: call
                .field("externalUserId")
                .unwrap_or_else(|| "user-sandbox".into()),
            opened: self.common().clock.now(),
        });
        ok(
            &json!({ "authorizeUrl": format!("{}/__sandbox/authorize?session={session}", self.origin) }),
        )
    }

    fn exchange_code(&self, call: &Call) -> Answer {
        self.common().ledger.asked_for_token();
        let field = |name| call.field(name).unwrap_or_default();
        let now = self.common().clock.now();
        let exchanged = self.connect.exchange(
            &field("code"),
            &field("redirectUri"),
            &field("codeVerifier"),
            now,
        );
        let user = match exchanged {
            Ok(user) => user,
            // The published codes name none for this; INVALID_GRANT is OAuth's word.
            Err(refusal) => {
                return bad_request(
                    "INVALID_GRANT",
                    match refusal {
                        Refusal::UnknownCode => "this code is unknown, used, or too old",
                        Refusal::OtherRedirect => "redirectUri is not the session's",
                        Refusal::WrongVerifier => "codeVerifier does not fit the challenge",
                    },
                );
            }
        };
        let lifetime = self.config.delegated_lifetime;
        let token = self.common().mint(Terms {
            kind: Kind::Delegated,
            subject: &user,
            lifetime,
        });
        ok(&json!({ "accessToken": token, "expiresIn": lifetime.as_secs(), "tokenType": "Bearer" }))
    }
}

fn ok(value: &Value) -> Answer {
    answer::json(StatusCode::OK, value)
}

fn forbidden() -> Answer {
    error(
        StatusCode::FORBIDDEN,
        "FORBIDDEN",
        "this key has no entitlement to end users",
        json!({}),
    )
}
