//! What a program gets wrong when it builds a layer, and what it is told.
#![cfg(not(loom))]

use std::panic::catch_unwind;
use std::time::Duration;

use rate_layer::{Keyed, MINUTE, Pace, Quota, RateLayer, Rule, SECOND, Window, Windows, key};

const QUOTA: Quota = Quota::rolling(5, SECOND);

/// What has been made, if it can be.
fn made<T>(_: T) {}

/// What the panic of `mistake` says.
fn told(mistake: fn()) -> String {
    let panic = catch_unwind(mistake).expect_err("a panic");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().expect("a text").to_string(),
    }
}

const NO_LOCK: &str = "a request that takes places in several windows takes all or none, so they must share a lock: make them by \
                       `Window::beside` and `Window::beside_keyed`, or give the layer quotas and let it make the windows";

#[test]
fn each_mistake_is_told_where_it_is_made_and_what_to_do_instead() {
    let mistakes: [(fn(), &str); 9] = [
        (
            || made(QUOTA.reserve(5)),
            "a reserve must be less than the limit: it leaves a place for the rest",
        ),
        (
            || made(Quota::aligned(5, MINUTE).counted_within(SECOND)),
            "an aligned window knows when its places free: leave `counted_within` out",
        ),
        (
            || made(Quota::aligned(0, MINUTE)),
            "a limit of 0 would admit nothing, ever",
        ),
        (
            || made(Quota::aligned(1, Duration::ZERO)),
            "a window must last longer than 0",
        ),
        (
            || made(Pace::every(Duration::ZERO)),
            "a pace must be longer than 0",
        ),
        (
            || made(Pace::every(SECOND).burst(0)),
            "a burst of 0 would admit nothing, ever",
        ),
        (
            || {
                let layer = RateLayer::new(QUOTA);
                drop((0..8).fold(layer, |layer, _| layer.also(QUOTA)));
            },
            "a layer has 8 rules at the most: put limits that count the same requests into one, by `Quota::and`",
        ),
        (
            || {
                let window = Window::new(QUOTA);
                made(RateLayer::new(window.clone()).also(window));
            },
            "two rules count in the same window, which would count each request twice: give the second rule a window of its \
             own, or put what both count into one rule",
        ),
        (
            || {
                let keyed = Keyed::shared(Windows::new(QUOTA), key::slot);
                made(keyed.most(std::num::NonZeroUsize::MIN));
            },
            "shared windows have their bounds already: give them to `Windows::bounded`",
        ),
    ];
    for (mistake, text) in mistakes {
        assert_eq!(told(mistake), text);
    }
}

#[test]
fn windows_that_do_not_share_a_lock_are_refused_wherever_they_come_together() {
    let mistakes: [fn(); 6] = [
        || made(RateLayer::new(Window::new(QUOTA)).also(Rule::new(Window::new(QUOTA)))),
        || {
            let layer = RateLayer::by_slot()
                .slot("a", Window::new(QUOTA))
                .slot("b", Window::new(QUOTA));
            drop(layer.also(QUOTA));
        },
        || {
            let layer = RateLayer::by_slot().slot("a", QUOTA).also(QUOTA);
            drop(layer.slot("b", Window::new(QUOTA)));
        },
        || {
            let layer = RateLayer::by_slot().slot("a", QUOTA).also(QUOTA);
            drop(layer.otherwise(Window::new(QUOTA)));
        },
        || {
            let layer = RateLayer::by_slot().slot("a", QUOTA).also(QUOTA);
            drop(layer.without_slot(Window::new(QUOTA)));
        },
        || {
            let keyed = Keyed::shared(Windows::new(QUOTA), key::host);
            drop(RateLayer::new(QUOTA).also(keyed));
        },
    ];
    for mistake in mistakes {
        assert_eq!(told(mistake), NO_LOCK);
    }
}

#[test]
fn windows_that_share_a_lock_or_are_never_needed_together_are_no_mistake() {
    // Each slot needs its own window alone.
    let _ = RateLayer::by_slot()
        .slot("a", Window::new(QUOTA))
        .slot("b", Window::new(QUOTA));
    // The layer makes its windows where the given one is, whichever comes first.
    let window = Window::new(QUOTA);
    let _ = RateLayer::new(window.clone()).also(QUOTA);
    let _ = RateLayer::by_slot().also(window.clone()).slot("a", QUOTA);
    let beside = window.beside(QUOTA);
    let keyed = window.beside_keyed(QUOTA, 10.try_into().expect("not zero"), MINUTE);
    let _ = RateLayer::new(window)
        .also(beside)
        .also(Keyed::shared(keyed, key::host))
        .also(Keyed::new(QUOTA, key::slot))
        .also(QUOTA)
        .also(QUOTA)
        .also(QUOTA)
        .also(QUOTA);
}
