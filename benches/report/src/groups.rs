//! What the groups measure, and whom they compare with, as data. A group that is not named here comes last, without words.
//!
//! Each list is in the order of the page.

/// A group of criterion's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// What one round of it does.
    pub(crate) what: &'static str,
    /// The function by which the others are divided.
    pub(crate) peer: &'static str,
}

/// Those of `limiter`.
pub(crate) const LIMITER: &[Group] = &[
    group(
        "admit",
        "A place is taken, where there is always one.",
        "governor",
    ),
    group(
        "reject",
        "There is no place, and the limiter says when there will be one.",
        "governor",
    ),
    group(
        "pair",
        "A place is taken and the request answered; where a limiter knows no answers, the same as `admit`.",
        "governor",
    ),
    group("keyed_1k", "`pair` by one of a thousand keys.", "governor"),
    group(
        "keyed_100k",
        "`pair` by one of a hundred thousand keys.",
        "governor",
    ),
    group(
        "layer",
        "A request passes through the layer to a service that answers at once.",
        "tower_resilience",
    ),
    group(
        "tasks",
        "The same from 64 spawned tasks at once, on two worker threads; time over requests.",
        "tower_buffer_rate_limit",
    ),
    group(
        "contended",
        "`pair` on one limiter from two threads at once; time over operations.",
        "governor",
    ),
];

/// Those of `retry`.
pub(crate) const RETRY: &[Group] = &[
    group(
        "get_empty",
        "A GET without a body passes through the layer to a service that answers at once.",
        "tower_retry_clone",
    ),
    group(
        "post_1k",
        "The same for a POST of 1 KiB, without an idempotency key.",
        "tower_retry_clone",
    ),
    group("budget", "One deposit and one withdrawal.", "tower_tps"),
    group(
        "budget_2_threads",
        "The same on one budget from two threads at once; time over operations.",
        "tower_tps",
    ),
];

/// Those of `credentials`.
pub(crate) const CREDENTIALS: &[Group] = &[
    group(
        "static_key",
        "A GET passes through the layer, with a key that does not change, to a service that answers at once.",
        "add_authorization",
    ),
    group(
        "fresh_token",
        "The same with a token that renews itself, and is fresh.",
        "add_authorization",
    ),
    group(
        "within_a_stack",
        "`fresh_token` for requests that have their context already.",
        "add_authorization",
    ),
    group(
        "soft_window",
        "A token that is fresh, and one that is due while its renewal runs behind the calls.",
        "fresh",
    ),
    group(
        "credentials_contended",
        "`fresh_token` from two threads at once, the making of the requests included; time over requests.",
        "add_authorization",
    ),
];

const fn group(name: &'static str, what: &'static str, peer: &'static str) -> Group {
    Group { name, what, peer }
}
