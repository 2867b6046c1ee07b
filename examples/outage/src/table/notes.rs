use crate::load::OUTAGE;

/// What all of it is about.
pub(super) const HEADING: &str = "What retries cost while a server is out, and what they mend";

/// What the picture shows, for those who do not see it.
pub(super) const PICTURE: &str = "Attempts a request over an outage, policy by policy: ours stays at one, tower's comes in \
     waves, reqwest-retry's goes to four";

/// What the figures show.
pub(super) const SEEN: &[&str] = &[
    "No retry helps against an outage that is longer than its pauses. What differs is what the attempts cost the server while \
     it tries to come back. `tollgate` spends the 10 retries that its budget holds in the first moments, and then one each 10 \
     s: 16 in the minute, whatever the rate. So a request makes 1 + 16/n attempts, where n requests arrive. Of its defaults it \
     is the budget's capacity (10) and floor (0.1 a second) that matter here, and neither attempts nor pauses.",
    "`tower`'s budget allows, in 10 s, 100 retries and 20 % of the successes. It spends what it has at once, waits until that is \
     forgotten, and spends it again: the waves in the picture. They come each 6 s, not each 10: where a second of its ten is \
     over by a little when a call looks, it moves on by two. From 100 requests a second on that is not much; at 10 and \
     fewer the floor is above, or not far below, what there is to retry. What bounds the attempts then is their number, 3, and \
     that is our choice: tower leaves it to who writes the policy.",
    "`reqwest_retry` has no budget: every request makes all its attempts, and four times the load lasts some seconds into the \
     recovery. Its pauses are long, so about 6 % of the requests live to see the end of the outage; the other callers wait for \
     seconds until they are told of a failure (the 99th percentile), where an empty budget says so at once.",
    "Where 5 or 10 % of the attempts fail by themselves, all three mend nearly everything, for nearly the same number of \
     attempts. The 99th percentile shows how long they pause for it. Of the defaults of `tollgate` it is the 3 attempts that matter here (of \
     1000 requests 1 fails three times in a row where 10 % do), and the base of 50 ms; the budget's 0.2 retries a success \
     are more than is needed.",
    "Where 20 % fail, 0.2 retries a success are not enough, and `tollgate` shows it: at 10 requests a second and more about \
     95 % succeed, where `tower` (the same ratio, but a floor that is a hundred times as high) has 96 to 99 % and \
     `reqwest_retry`, with a fourth attempt, 99.8 %. That is the price of being sparing. Who has such a server, and knows that \
     it can take it, writes `RetryLayer::new().budget(Budget::default().per_success(0.3))`, and has about 99 %, \
     for the same 16 retries in an outage.",
    "Where no connection comes about (`no_connection`), an attempt reaches nobody's code, and the budget of `tollgate` takes a \
     fifth for a retry that dialled in vain: 80 of them in the minute, so that a request makes 1 + 80/n attempts, and never more \
     than 3. Free, as one that never reached the network is, the 16 would bound nothing: at 1, 10 and 100 requests a second \
     each dials three times (3.00, 3.00 and 2.99), also where it is the handshakes of TLS that bring the server down.",
    "What the fifth leaves room for is a server that is away for a moment (`restarts`). Of 100 requests a second 99.30 % succeed; free \
     dials would make it 99.45, and dials at the full price 99.11, as many as without retries. At 10 requests a second and fewer \
     all prices mend alike: there it is the pauses that end too early. `tower` and `reqwest_retry` pause longer, and mend nearly \
     all. Who has such a server writes `.base(Duration::from_millis(200))`, and has 100 % at 10 requests a second. Both prices are \
     one setting: `Budget::connect_cost`.",
];

/// What the figures mean, and how they came about.
pub(super) fn notes() -> Vec<String> {
    let (from, to) = (OUTAGE.start.as_secs(), OUTAGE.end.as_secs());
    vec![
        format!(
            "Attempts a request (tries): in the loads `outage` and `no_connection` the figures are those of the requests that arrive in it \
             ({from} s to {to} s), with all their attempts, those after its end too; elsewhere those of all requests."
        ),
        "Succeeded (ok): requests that got a success in the end. p99: how long 99 % of the requests took at most until \
         their outcome, good or bad, in ms."
            .to_owned(),
        "Requests are GETs. They arrive at an even rate, each at a random moment of its share of the second, whatever becomes \
         of the others (an open loop)."
            .to_owned(),
        "The server answers 200 after 10 to 30 ms, and fails with a 503 without Retry-After after 1 to 5 ms. The same attempt \
         of the same request meets the same luck under every policy."
            .to_owned(),
        "Where no connection comes about, an attempt fails with the error of reqwest's own client for a name without an address, \
         after 1 to 5 ms, and is counted like one that departed."
            .to_owned(),
        "The layers are the published crates in virtual time. Of reqwest-retry, middleware, judgement and policy are the \
         crate's own; its pauses, which it measures by the wall clock, are made in virtual time, and its jitter, which has no \
         seed, is drawn from ours. Of tower, the generator of the jitter is ours for the same reason; like tower's own, it is \
         cloned for each request, so that all requests of a run pause alike."
            .to_owned(),
    ]
}
