//! Static keys that are exchanged while the program runs.

use std::future::pending;

use auth_layer::{Auth, EventKind, KeySlot, RotateStep, Secret, Slot};
use call_context::{Renewed, SlotName};
use http::{Response, StatusCode};
use tokio::time::advance;
use tower::ServiceExt;

use crate::refusals::key;
use crate::support::{Client, SECOND, Server, Supply, chain, client, request, send};

fn handle(auth: &Auth) -> KeySlot {
    auth.key("business").expect("a static key").clone()
}

async fn answer(client: &Client) -> Response<String> {
    client.clone().oneshot(request()).await.expect("an answer")
}

fn is_renewed<B>(response: &Response<B>) -> bool {
    let extensions = response.extensions();
    let renewed = extensions.get::<Renewed>().is_some();
    let slot = extensions.get::<SlotName>();
    assert_eq!(slot.map(SlotName::as_str), renewed.then_some("business"));
    renewed
}

/// What the server saw since it was last asked.
fn last(server: &Server, n: usize) -> Vec<String> {
    let seen = server.seen();
    seen[seen.len() - n..].to_vec()
}

#[tokio::test]
async fn a_key_set_at_run_time_goes_out_with_the_next_departure() {
    let (auth, server, client) = client(key());
    send(&client).await.expect("sent");
    handle(&auth).set("k2").expect("a key");
    send(&client).await.expect("sent");
    assert_eq!(server.seen(), ["Bearer k1", "Bearer k2"]);
}

#[tokio::test]
async fn a_key_that_no_header_can_hold_changes_nothing_and_is_not_echoed() {
    let (auth, _, client) = client(key());
    let slot = handle(&auth);
    for result in [slot.set("canary\n"), slot.set_overlap("canary\n")] {
        let error = result.expect_err("no key");
        assert!(!chain(&error).contains("canary"));
    }
    assert_eq!(send(&client).await.expect("sent"), "Bearer k1");
    let bad = Auth::single(key().overlap("canary\n")).expect_err("no key");
    assert!(!chain(&bad).contains("canary"), "{}", chain(&bad));
}

#[test]
fn an_overlap_key_needs_a_static_key() {
    for slot in [
        Slot::none("business"),
        Supply::default().steady(SECOND, SECOND),
    ] {
        let error = Auth::single(slot.overlap("k2")).expect_err("a mistake");
        let text = error.to_string();
        assert!(text.ends_with("only a static key has any"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_overlap_key_is_tried_after_a_401_and_sticks_once_it_is_accepted() {
    let (auth, server, client) = client(key().overlap("k2"));
    let mut events = auth.subscribe();
    assert!(!is_renewed(&answer(&client).await));
    server.refuse("k1");
    let refused = answer(&client).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(is_renewed(&refused));
    assert_eq!(send(&client).await.expect("sent"), "Bearer k2");
    assert!(!handle(&auth).has_overlap(), "the refused key is gone");
    // Even where the server refuses it later.
    server.refuse("k2");
    assert!(!is_renewed(&answer(&client).await));
    assert_eq!(last(&server, 1), ["Bearer k2"]);
    let told = [
        events.next().await.map(|event| event.kind),
        events.next().await.map(|event| event.kind),
    ];
    assert_eq!(
        told,
        [Some(EventKind::Rejected), Some(EventKind::KeySwitched)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_overlap_key_that_is_refused_too_leaves_the_first_one_in_use() {
    let (_, server, client) = client(key().overlap("k2"));
    server.refuse("k1");
    server.refuse("k2");
    assert!(is_renewed(&answer(&client).await));
    assert!(is_renewed(&answer(&client).await), "the first is back");
    for _ in 0..20 {
        assert!(!is_renewed(&answer(&client).await), "tried for now");
    }
    assert_eq!(last(&server, 20), vec!["Bearer k1"; 20]);
    advance(SECOND * 60).await;
    assert!(is_renewed(&answer(&client).await), "and tried again");
    answer(&client).await;
    assert_eq!(last(&server, 1), ["Bearer k2"]);
}

#[tokio::test(start_paused = true)]
async fn late_401s_of_the_first_key_do_not_end_the_trial_of_the_other() {
    let (auth, server, client) = client(key().overlap("k2"));
    server.refuse("k1");
    let calls: Vec<_> = (0..100)
        .map(|_| client.clone().oneshot(request()))
        .collect();
    for call in futures_util::future::join_all(calls).await {
        let response = call.expect("an answer");
        assert_eq!(is_renewed(&response), response.status() == 401);
    }
    assert_eq!(send(&client).await.expect("sent"), "Bearer k2");
    assert!(!handle(&auth).has_overlap());
}

#[tokio::test]
async fn a_rotation_creates_switches_confirms_and_revokes() {
    let (auth, server, client) = client(key());
    let slot = handle(&auth);
    let rotation = slot.rotate(
        async || {
            assert_eq!(send(&client).await?, "Bearer k1");
            Ok(Secret::from("k2"))
        },
        async || {
            assert_eq!(send(&client).await?, "Bearer k2");
            Ok(())
        },
        async |former| {
            assert_eq!(former.expose(), "k1");
            assert_eq!(send(&client).await?, "Bearer k2");
            server.refuse("k1");
            Ok(())
        },
    );
    rotation.await.expect("rotated");
    assert_eq!(send(&client).await.expect("sent"), "Bearer k2");
    assert!(!slot.has_overlap());
}

#[tokio::test]
async fn whichever_step_fails_a_key_that_works_is_in_use() {
    for (fails_at, in_use, left_over) in [
        (RotateStep::Create, "Bearer k1", None),
        (RotateStep::Switch, "Bearer k1", Some("k2\n")),
        (RotateStep::Confirm, "Bearer k1", Some("k2")),
        (RotateStep::Revoke, "Bearer k2", Some("k1")),
    ] {
        let (auth, _, client) = client(key().overlap("k0"));
        let slot = handle(&auth);
        let fail = |step| match step == fails_at {
            true => Err("the server is down".into()),
            false => Ok(()),
        };
        let rotation = slot.rotate(
            async || {
                fail(RotateStep::Create)?;
                Ok(match fails_at {
                    RotateStep::Switch => Secret::from("k2\n"),
                    _ => Secret::from("k2"),
                })
            },
            async || fail(RotateStep::Confirm),
            async |_| fail(RotateStep::Revoke),
        );
        let error = rotation.await.expect_err("a failure");
        assert_eq!(error.step(), fails_at);
        assert_eq!(error.left_over().map(Secret::expose), left_over);
        assert!(!format!("{error:?} {}", chain(&error)).contains("k2"));
        assert_eq!(send(&client).await.expect("sent"), in_use, "{fails_at:?}");
        assert!(slot.has_overlap(), "{fails_at:?}");
        // And nothing stands in the way of another one.
        let rotation = slot.rotate(
            async || Ok(Secret::from("k3")),
            async || Ok(()),
            async |_| Ok(()),
        );
        rotation.await.expect("rotated");
        assert_eq!(send(&client).await.expect("sent"), "Bearer k3");
    }
}

#[tokio::test]
async fn a_new_key_that_the_server_refuses_is_not_confirmed() {
    let (auth, server, client) = client(key());
    server.refuse("k2");
    let slot = handle(&auth);
    let rotation = slot.rotate(
        async || Ok(Secret::from("k2")),
        async || {
            // The first try meets a 401, the second goes out with the former key and succeeds.
            assert!(is_renewed(&answer(&client).await));
            assert_eq!(answer(&client).await.status(), StatusCode::OK);
            Ok(())
        },
        async |_| unreachable!("the only key that works must not be revoked"),
    );
    let error = rotation.await.expect_err("a failure");
    assert_eq!(error.step(), RotateStep::Confirm);
    assert_eq!(send(&client).await.expect("sent"), "Bearer k1");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_dropped_or_panics_puts_the_former_key_back() {
    let (auth, _, client) = client(key());
    let slot = handle(&auth);
    for panics in [false, true] {
        let rotating = slot.clone();
        let sending = client.clone();
        let task = tokio::spawn(async move {
            let rotation = rotating.rotate(
                async || Ok(Secret::from("k2")),
                async || {
                    assert_eq!(send(&sending).await?, "Bearer k2");
                    assert!(!panics, "as a careless caller might");
                    pending().await
                },
                async |_| unreachable!("never confirmed"),
            );
            tokio::time::timeout(SECOND, rotation).await.map(drop)
        });
        assert_eq!(task.await.is_err(), panics);
        assert_eq!(send(&client).await.expect("sent"), "Bearer k1");
        assert!(!slot.has_overlap());
    }
}

#[tokio::test]
async fn a_key_that_the_program_sets_during_a_rotation_stays() {
    let (auth, _, client) = client(key());
    let slot = handle(&auth);
    let rotation = slot.rotate(
        async || Ok(Secret::from("k2")),
        async || Ok(slot.set("k9")?),
        async |_| unreachable!("nobody knows whether the other key works"),
    );
    let error = rotation.await.expect_err("a failure");
    assert_eq!(error.step(), RotateStep::Confirm);
    assert_eq!(error.left_over().map(Secret::expose), Some("k2"));
    assert_eq!(send(&client).await.expect("sent"), "Bearer k9");
}

#[tokio::test]
async fn one_rotation_at_a_time() {
    let (auth, _, _) = client(key());
    let slot = handle(&auth);
    let rotation = slot.rotate(
        async || {
            let other = slot.rotate(
                async || unreachable!("not begun"),
                async || unreachable!("not begun"),
                async |_| unreachable!("not begun"),
            );
            let error = other.await.expect_err("busy");
            assert_eq!(error.step(), RotateStep::Begin);
            Ok(Secret::from("k2"))
        },
        async || Ok(()),
        async |_| Ok(()),
    );
    rotation.await.expect("rotated");
    assert_eq!(slot.secret().expose(), "k2");
}

#[tokio::test]
async fn a_401_while_the_former_key_is_revoked_cannot_bring_it_back() {
    for revoked in [false, true] {
        let (auth, server, client) = client(key());
        let slot = handle(&auth);
        let rotation = slot.rotate(
            async || Ok(Secret::from("k2")),
            async || Ok(()),
            async |_| {
                // One node of the server has not heard of the new key yet, and the next request is answered by another one,
                // which would still take the former key: accepted, that would stick.
                server.refuse("k2");
                answer(&client).await;
                answer(&client).await;
                match revoked {
                    true => Ok(()),
                    false => Err("the server is down".into()),
                }
            },
        );
        let outcome = rotation.await.map_err(|error| error.step());
        assert_eq!(outcome.err(), (!revoked).then_some(RotateStep::Revoke));
        assert_eq!(slot.secret().expose(), "k2", "revoked: {revoked}");
        assert_eq!(slot.has_overlap(), !revoked);
    }
}
