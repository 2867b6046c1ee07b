//! A clock that is off against the server's, and what `Date` does about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use auth_layer::{Auth, Grant};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use call_context::BoxError;
use http::header::{AGE, DATE};
use http::{Request, Response};
use tokio::time::{Instant, advance};
use tower::util::BoxCloneSyncService;
use tower::{Layer, service_fn};

use crate::support::{Client, SECOND, Supply, at_once, send, wall};

const HOUR: i64 = 3600;

/// A server whose clock runs with the monotonic one, from the second at which `wall` starts.
fn server_time(start: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + SECOND * 1_700_000_000 + start.elapsed()
}

struct World {
    supply: Supply,
    /// Seconds by which this machine's wall clock is off.
    off: Arc<AtomicI64>,
    client: Client,
}

/// A client whose wall clock is off by `off` seconds, with JWTs that live a hundred seconds, before a server that says what
/// time it is; `cached` answers come with an age.
fn world(off: i64, cached: bool) -> World {
    let start = Instant::now();
    let (jumped, now) = wall();
    jumped.store(off, Ordering::SeqCst);
    let supply = Supply::default();
    let slot = supply.slot(move |_, _| {
        let end = server_time(start) + SECOND * 100;
        let end = end.duration_since(SystemTime::UNIX_EPOCH).expect("later");
        let claims = format!(r#"{{"exp":{}}}"#, end.as_secs());
        let jwt = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        at_once(Ok(Grant::new(jwt)))
    });
    let auth = Auth::single(slot.wall_clock(now)).expect("a valid slot");
    let api = service_fn(move |_: Request<String>| async move {
        let date = httpdate::fmt_http_date(server_time(start));
        let answer = Response::builder().header(DATE, date);
        let answer = if cached {
            answer.header(AGE, "1")
        } else {
            answer
        };
        answer.body(String::new()).map_err(BoxError::from)
    });
    let client = BoxCloneSyncService::new(auth.layer().layer(api));
    World {
        supply,
        off: jumped,
        client,
    }
}

impl World {
    /// Sends a request `seconds` from now, and says how many tokens were fetched until it was answered.
    async fn fetched_after(&self, seconds: u64) -> u64 {
        advance(Duration::from_secs(seconds)).await;
        send(&self.client).await.expect("a token");
        self.supply.fetches()
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_an_hour_off_knows_when_tokens_end_once_the_server_has_told_the_time() {
    for off in [0, -HOUR, HOUR] {
        let world = world(off, false);
        assert_eq!(world.fetched_after(0).await, 1, "off by {off}");
        assert_eq!(world.fetched_after(70).await, 1, "off by {off}");
        // A second for the resolution of `Date`, one for the leeway.
        assert_eq!(world.fetched_after(28).await, 2, "off by {off}");
        assert_eq!(world.fetched_after(70).await, 2, "off by {off}");
        assert_eq!(world.fetched_after(28).await, 3, "off by {off}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_out_of_a_cache_teaches_nothing() {
    let world = world(-HOUR, true);
    assert_eq!(world.fetched_after(0).await, 1);
    assert_eq!(world.fetched_after(98).await, 1, "an hour slow, as before");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_an_hour_costs_one_fetch_at_the_most() {
    for (jump, fetches) in [(HOUR, 2), (-HOUR, 1)] {
        let world = world(0, false);
        assert_eq!(world.fetched_after(0).await, 1);
        world.off.store(jump, Ordering::SeqCst);
        assert_eq!(world.fetched_after(1).await, fetches, "by {jump}");
        assert_eq!(world.fetched_after(60).await, fetches, "by {jump}");
        // By the clock that the last answer has set right.
        assert_eq!(world.fetched_after(40).await, fetches + 1, "by {jump}");
        assert_eq!(world.fetched_after(70).await, fetches + 1, "by {jump}");
    }
}
