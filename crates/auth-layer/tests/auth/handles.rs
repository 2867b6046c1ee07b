//! What a program asks of a token outside of any request: read it, renew it, log out, listen.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_layer::{
    Auth, EventKind, Events, Fetch, Grant, GrantFuture, LogOut, LogOutFuture, Reason, Secret, Slot,
    Source, SourceError, TokenSlot,
};
use call_context::NeverLeft;
use futures_util::FutureExt;
use tokio::time::{Instant, advance, sleep};

use crate::support::{
    SECOND, Supply, after, at_once, client, is_permanent, never, origin, reason, send, token,
};

fn wallet(auth: &Auth) -> TokenSlot {
    auth.token("wallet").expect("a token slot").clone()
}

async fn exposed(slot: &TokenSlot) -> String {
    let usable = slot.usable_token().await.expect("a token");
    usable.token().expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_read_with_the_time_that_is_left_of_it() {
    let supply = Supply::default();
    let (auth, _, client) = client(supply.steady(SECOND, SECOND * 100));
    let slot = wallet(&auth);
    assert!(slot.current().is_none(), "and fetches nothing");
    assert_eq!(supply.fetches(), 0);
    assert_eq!(exposed(&slot).await, "t1");
    // Counted from the start of the fetch, less a second of leeway.
    let left = |slot: &TokenSlot| slot.current().and_then(|usable| usable.remaining());
    assert_eq!(left(&slot), Some(SECOND * 98));
    advance(SECOND * 70).await;
    assert_eq!(left(&slot), Some(SECOND * 28));
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    advance(SECOND * 28).await;
    assert!(slot.current().is_none(), "it has ended");
    assert_eq!(exposed(&slot).await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_token_in_a_header_of_its_own_is_read_whole() {
    let header = http::HeaderName::from_static("x-session");
    let slot = Supply::default()
        .slot(|_, _| at_once(Ok(Grant::new("Bearer x"))))
        .header(header);
    let (auth, _, _) = client(slot);
    assert_eq!(exposed(&wallet(&auth)).await, "Bearer x");
}

#[tokio::test(start_paused = true)]
async fn reading_a_due_token_starts_its_renewal_behind_it() {
    let supply = Supply::default();
    let (auth, _, _) = client(supply.steady(SECOND, SECOND * 100));
    let slot = wallet(&auth);
    exposed(&slot).await;
    advance(SECOND * 90).await;
    let start = Instant::now();
    assert_eq!(exposed(&slot).await, "t1");
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(SECOND * 2).await;
    assert_eq!(exposed(&slot).await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_replaces_a_fresh_token_and_nobody_else_waits_for_it() {
    let supply = Supply::default();
    let (auth, _, client) = client(supply.steady(SECOND, SECOND * 1000));
    let slot = wallet(&auth);
    send(&client).await.expect("a token");
    let renewing = tokio::spawn({
        let slot = slot.clone();
        async move { slot.renew().await }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
    assert_eq!(start.elapsed(), Duration::ZERO);
    renewing.await.expect("no panic").expect("renewed");
    assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
    assert_eq!(supply.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn ten_who_force_a_renewal_at_once_share_one_fetch() {
    let supply = Supply::default();
    let (auth, _, _) = client(supply.steady(SECOND, SECOND * 1000));
    let slot = wallet(&auth);
    exposed(&slot).await;
    let all = futures_util::future::join_all((0..10).map(|_| slot.renew())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(supply.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_that_fails_leaves_the_token_in_use() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 => at_once(Ok(token(1).expires_in(1000))),
        _ => at_once(Err(SourceError::permanent("revoked"))),
    });
    let (auth, _, client) = client(slot);
    send(&client).await.expect("a token");
    let error = wallet(&auth).renew().await.expect_err("refused");
    assert_eq!(error.reason(), Reason::Refused);
    assert_eq!(send(&client).await.expect("a token"), "Bearer t1");
}

#[tokio::test(start_paused = true)]
async fn events_tell_of_renewals_failures_and_when_a_person_is_needed() {
    let supply = Supply::default();
    let slot = supply.slot(|n, _| match n {
        1 | 3 => at_once(Ok(token(n).expires_in(100))),
        2 => at_once(Err(SourceError::temporary("down"))),
        _ => at_once(Err(SourceError::permanent("revoked"))),
    });
    let (auth, server, client) = client(slot.backoff(SECOND, SECOND));
    let mut events = auth.subscribe();
    send(&client).await.expect("a token");
    server.refuse("t1");
    advance(SECOND * 5).await;
    // A 401; the renewal fails, is tried again, and brings a token.
    send(&client).await.expect("an answer");
    send(&client).await.expect("a token");
    advance(SECOND * 100).await;
    assert_eq!(reason(&client).await, Reason::Refused);
    for expected in [
        EventKind::Renewed,
        EventKind::Rejected,
        EventKind::RenewalFailed,
        EventKind::Renewed,
        EventKind::NeedsHuman,
    ] {
        let event = events.next().await.expect("an event");
        assert_eq!(event.kind, expected);
        assert_eq!(event.slot.as_str(), "wallet");
    }
}

#[tokio::test]
async fn one_who_listens_too_slowly_is_told_what_was_missed_and_one_left_alone_hears_the_end() {
    let slot = Slot::key("business", "k0").origin(origin());
    let auth = Auth::single(slot).expect("a valid slot");
    let mut events = auth.subscribe();
    let key = auth.key("business").expect("a static key").clone();
    for n in 0..260 {
        key.set(format!("k{n}")).expect("a key");
    }
    let missed = events.next().await.expect("an event");
    assert_eq!(missed.kind, EventKind::Missed(4));
    for _ in 0..256 {
        let event = events.next().await.expect("an event");
        assert_eq!(event.kind, EventKind::KeySwitched);
    }
    drop((auth, key));
    assert_eq!(events.next().await, None);
}

/// A token and a refresh token.
type Pair = (Option<String>, Option<String>);

/// A source whose tokens take a second, and that keeps what was given back.
#[derive(Clone, Default)]
struct Revocable {
    given_back: Arc<Mutex<Vec<Pair>>>,
}

impl Revocable {
    fn given_back(&self) -> Vec<Pair> {
        self.given_back.lock().expect("no panic").clone()
    }
}

struct Revoking(Revocable, Box<dyn Source>);

impl Source for Revoking {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        self.1.fetch(fetch)
    }

    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        assert_eq!(log_out.slot().as_str(), "wallet");
        let given_back = Arc::clone(&self.0.given_back);
        Box::pin(async move {
            let is_late = log_out.is_late();
            let tokens = log_out.tokens().await;
            let exposed = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
            let pair = (exposed(tokens.token), exposed(tokens.refresh_token));
            // All but the first login's own are late.
            assert!(is_late || pair.0.as_ref().is_none_or(|token| token == "t1"));
            sleep(SECOND).await;
            given_back.lock().expect("no panic").push(pair);
            Ok(())
        })
    }
}

fn revocable() -> (Revocable, Auth) {
    let revocable = Revocable::default();
    let n = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let source = auth_layer::source_fn(move |_| {
        let n = n.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        after(
            SECOND,
            Ok(token(n).refresh_token(format!("r{n}")).expires_in(1000)),
        )
    });
    let source = Revoking(revocable.clone(), Box::new(source));
    let slot = Slot::token("wallet", source).origin(origin());
    (revocable, Auth::single(slot).expect("a valid slot"))
}

fn pair(n: u64) -> Pair {
    (Some(format!("t{n}")), Some(format!("r{n}")))
}

#[tokio::test(start_paused = true)]
async fn logging_out_is_done_here_at_once_and_then_told_to_the_server() {
    let (revocable, auth) = revocable();
    let slot = wallet(&auth);
    let mut events = auth.subscribe();
    exposed(&slot).await;
    let telling = slot.log_out();
    assert!(slot.current().is_none());
    let error = slot.usable_token().await.expect_err("logged out");
    assert_eq!(error.reason(), Reason::LoggedOut);
    assert!(is_permanent(Reason::LoggedOut) && NeverLeft::find(&error).is_some());
    telling.await.expect("told");
    assert_eq!(revocable.given_back(), [pair(1)]);
    assert_eq!(
        events.next().await.map(|event| event.kind),
        Some(EventKind::Renewed)
    );
    assert_eq!(
        events.next().await.map(|event| event.kind),
        Some(EventKind::LoggedOut)
    );
    // Somebody has logged in.
    slot.changed();
    assert_eq!(exposed(&slot).await, "t2");
}

#[tokio::test(start_paused = true)]
async fn logging_out_wins_over_a_renewal_that_is_under_way() {
    let (revocable, auth) = revocable();
    let slot = wallet(&auth);
    exposed(&slot).await;
    let renewing = tokio::spawn({
        let slot = slot.clone();
        async move { slot.renew().await }
    });
    sleep(SECOND / 2).await;
    // Dropped at once: the server is told all the same.
    drop(slot.log_out());
    let error = renewing.await.expect("no panic").expect_err("logged out");
    assert_eq!(error.reason(), Reason::LoggedOut);
    sleep(SECOND * 3).await;
    assert!(slot.current().is_none(), "what it brought is not used");
    assert_eq!(revocable.given_back(), [pair(1), pair(2)]);
    let error = slot.usable_token().await.expect_err("logged out");
    assert_eq!(error.reason(), Reason::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_from_before_the_logout_does_not_come_in_after_the_next_login() {
    let (revocable, auth) = revocable();
    let slot = wallet(&auth);
    let first = tokio::spawn({
        let slot = slot.clone();
        async move { slot.usable_token().await }
    });
    sleep(SECOND / 2).await;
    drop(slot.log_out());
    slot.changed();
    assert_eq!(exposed(&slot).await, "t2");
    sleep(SECOND * 3).await;
    assert_eq!(exposed(&slot).await, "t2");
    assert_eq!(revocable.given_back(), [(None, None), pair(1)]);
    // Who waited over all this has the newer one, or heard of the logout.
    match first.await.expect("no panic") {
        Ok(usable) => assert_eq!(usable.token().expose(), "t2"),
        Err(error) => assert_eq!(error.reason(), Reason::LoggedOut),
    }
}

/// Notes whether anybody could have heard of the logout before it was asked to log out.
struct Listening(Arc<Mutex<(Option<Events>, Vec<bool>)>>);

impl Source for Listening {
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        never()
    }

    fn log_out(&self, _: LogOut) -> LogOutFuture {
        let mut noted = self.0.lock().expect("not poisoned");
        let events = noted.0.as_mut().expect("it listens");
        let heard = events.next().now_or_never().is_some();
        noted.1.push(heard);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_to_log_out_at_once_and_before_anybody_hears_of_it() {
    let noted = Arc::new(Mutex::new((None, Vec::new())));
    let slot = Slot::token("wallet", Listening(Arc::clone(&noted))).origin(origin());
    let auth = Auth::single(slot).expect("a valid slot");
    noted.lock().expect("not poisoned").0 = Some(auth.subscribe());
    let mut events = auth.subscribe();
    drop(wallet(&auth).log_out());
    assert_eq!(noted.lock().expect("not poisoned").1, [false]);
    let event = events.next().await.expect("an event");
    assert_eq!(event.kind, EventKind::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_or_panics_while_it_is_told_of_a_logout_is_an_error_and_no_more() {
    struct Careless(bool);
    impl Source for Careless {
        fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
            never()
        }
        fn log_out(&self, _: LogOut) -> LogOutFuture {
            assert!(self.0, "canary");
            Box::pin(std::future::pending())
        }
    }
    for hangs in [true, false] {
        let slot = Slot::token("wallet", Careless(hangs)).origin(origin());
        let auth = Auth::single(slot).expect("a valid slot");
        let start = Instant::now();
        let error = wallet(&auth).log_out().await.expect_err("not told");
        assert!(!crate::support::chain(&error).contains("canary"));
        let waited = if hangs { SECOND * 10 } else { Duration::ZERO };
        assert_eq!(start.elapsed(), waited);
    }
}

#[test]
fn logging_out_outside_of_a_runtime_is_done_here_and_says_that_the_server_was_not_told() {
    let slot = Supply::default().steady(SECOND, SECOND);
    let auth = Auth::single(slot).expect("a valid slot");
    let telling = wallet(&auth).log_out();
    let told = FutureExt::now_or_never(telling);
    told.expect("at once").expect_err("not told");
}

#[test]
fn a_fetch_that_is_lost_with_its_runtime_or_frozen_on_it_is_told_of_too() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build()
    };
    for frozen in [false, true] {
        let supply = Supply::default();
        let slot = supply.slot(|n, _| match n {
            1 => never(),
            _ => at_once(Ok(token(n).expires_in(100))),
        });
        let (auth, _, client) = client(slot.backoff(SECOND, SECOND));
        let mut events = auth.subscribe();
        let first = runtime().expect("a runtime");
        first.block_on(async {
            let leader = client.clone();
            tokio::spawn(async move { send(&leader).await });
            sleep(SECOND).await;
        });
        let first = frozen.then_some(first);
        runtime().expect("a runtime").block_on(async {
            assert_eq!(send(&client).await.expect("a token"), "Bearer t2");
            for expected in [EventKind::RenewalFailed, EventKind::Renewed] {
                let event = events.next().await.expect("an event");
                assert_eq!(event.kind, expected, "frozen: {frozen}");
            }
        });
        drop(first);
    }
}
