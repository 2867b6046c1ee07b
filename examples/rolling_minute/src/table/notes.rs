use crate::latency::LATENCIES;
use crate::limiter::LIMITERS;
use crate::load::{BETWEEN_BURSTS, BURST, WORKERS};

/// What the limiters are, a line each: name and words.
pub(super) fn limiters() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIMITERS.iter().map(|limiter| (limiter.name, limiter.what))
}

/// What the figures mean, and how they came about.
pub(super) fn notes() -> Vec<String> {
    let latencies: Vec<_> = LATENCIES
        .iter()
        .map(|latency| {
            let (median, p99) = (latency.median.as_millis(), latency.p99.as_millis());
            format!("{} {median} and {p99}", latency.name)
        })
        .collect();
    vec![
        "429/h and peak count from the first request on, accepted/h from the second minute on. Peak is the most that the \
         server saw in any 60 s, accepted or not."
            .to_owned(),
        format!(
            "steady: {WORKERS} callers that always have more to send. bursts: {BURST} requests at once, {} s apart on \
             average (exponential).",
            BETWEEN_BURSTS.as_secs()
        ),
        format!(
            "Round trips are lognormal, with these medians and 99th percentiles in ms: {}. The server stamps a request \
             at a uniformly random moment of its round trip.",
            latencies.join(", ")
        ),
        "A 429 carries no Retry-After, causes no pause, and is not sent again: the next request takes its turn."
            .to_owned(),
        "Limiters meet the same randomness, so those that send at the same moments have the same figures.".to_owned(),
        "All limiters read a clock that follows virtual time (governor one that it is given), so none is left out."
            .to_owned(),
    ]
}
