//! Who calls when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::tally::Tally;

/// One call to make: the name of its class in the report, and the request.
pub type Call = (&'static str, Request<Full<Bytes>>);

/// Two crowds of callers that share a client.
#[derive(Debug)]
pub struct Crowd {
    /// Made as fast as the stack lets them, by 32 callers.
    pub eager: Vec<Call>,
    /// Made one after the other, spread evenly over a time.
    pub paced: (Vec<Call>, Duration),
}

/// Makes all calls, and says how long that took.
pub async fn run<C: Client>(
    client: C,
    crowd: Crowd,
    tally: Arc<Tally>,
    bar: ProgressBar,
) -> Duration {
    let start = Instant::now();
    let eager = Arc::new(std::sync::Mutex::new(crowd.eager.into_iter()));
    let mut callers = JoinSet::new();
    for _ in 0..32 {
        let (client, eager) = (client.clone(), Arc::clone(&eager));
        let (tally, bar) = (Arc::clone(&tally), bar.clone());
        callers.spawn(async move {
            let next = || eager.lock().ok().and_then(|mut calls| calls.next());
            while let Some((class, request)) = next() {
                tally.add(class, client.call(request).await);
                bar.inc(1);
            }
        });
    }
    let (paced, over) = crowd.paced;
    let calls = u32::try_from(paced.len().max(1)).unwrap_or(u32::MAX);
    for (n, (class, request)) in (0..).zip(paced) {
        tokio::time::sleep_until(start + over * n / calls).await;
        let (client, tally, bar) = (client.clone(), Arc::clone(&tally), bar.clone());
        callers.spawn(async move {
            tally.add(class, client.call(request).await);
            bar.inc(1);
        });
    }
    // A caller that panicked leaves its calls out of the tally, which the report then shows.
    while callers.join_next().await.is_some() {}
    bar.finish_and_clear();
    start.elapsed()
}
