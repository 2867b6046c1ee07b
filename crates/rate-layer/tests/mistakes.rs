//! What a program gets wrong when it builds a layer, and what it is told.
#![cfg(not(loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rate_layer::{
    Keyed, Limit, MINUTE, Pace, Quota, RateLayer, Rule, SECOND, Standard, Start, Window, Windows,
    key,
};
use tower::Layer;

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
    let mistakes: [(fn(), &str); 10] = [
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
            || made(RateLayer::new(QUOTA).answer_within(Duration::ZERO)),
            "an answer takes longer than 0: a request would be given up as soon as it has departed",
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

/// What a layer, detached or not, says when it is to wrap a service.
fn refused(layer: &RateLayer) -> String {
    let told = [
        catch_unwind(AssertUnwindSafe(|| drop(layer.layer(())))),
        catch_unwind(AssertUnwindSafe(|| drop(layer.clone().detach().layer(())))),
    ];
    let [text, detached] = told.map(|told| {
        let panic = told.expect_err("a panic");
        *panic.downcast::<String>().expect("a text")
    });
    assert_eq!(text, detached);
    text
}

const ADOPTS: Quota = QUOTA.adopt_up_to(9);
const SEEDED: Quota = QUOTA.start(Start::Seeded);
const PACE: Pace = Pace::every(SECOND);

#[test]
fn what_a_layer_is_told_that_cannot_all_hold_is_refused_when_it_wraps_a_service() {
    let adopts = "a quota adopts the limits that the server states (`adopt_up_to`), and the rule that holds it reads no response: say \
                  which dialect the server speaks, by `.listen(Standard)` or another one, or leave `adopt_up_to` out";
    let seeded = "a window begins with what the first response says (`Start::Seeded`), and the rule that holds it reads no response: \
                  say which dialect the server speaks, by `.listen(Standard)` or another one, or begin with `Start::Full`";
    let nothing = "a rule says what requests cost, or what responses say of it, and counts none of them: give it a window, as by \
                   `slot`, `otherwise` or `without_slot`, or leave that out";
    let unheard_pace = "a rule listens to what the server says of its limit, and has nothing but a pace, which has no places to \
                        count: hold requests to a quota as well, or leave `listen` out";
    let kept_pace = "a rule sets costs right by the answer (`correct`, `charged_later`), and has nothing but a pace, which keeps to \
                     what was admitted: hold requests to a quota as well, or leave that out";
    let in_two = || QUOTA.and(Quota::rolling(100, MINUTE).adopt_up_to(200));
    for (layer, text) in [
        (RateLayer::new(ADOPTS), adopts),
        (RateLayer::new(in_two()), adopts),
        (RateLayer::new(Window::new(ADOPTS)), adopts),
        (RateLayer::new(Keyed::new(ADOPTS, key::host)), adopts),
        (RateLayer::by_slot().slot("a", ADOPTS), adopts),
        (RateLayer::by_slot().without_slot(ADOPTS), adopts),
        // The other rule is the one that reads.
        (RateLayer::new(QUOTA).listen(Standard).also(ADOPTS), adopts),
        (RateLayer::new(SEEDED), seeded),
        (RateLayer::new(QUOTA).also(SEEDED), seeded),
        (RateLayer::by_slot().cost(|_| 2), nothing),
        (
            RateLayer::by_slot().unlimited("a").listen(Standard),
            nothing,
        ),
        (
            RateLayer::new(QUOTA).also(Rule::new(Limit::Unlimited).charged_later()),
            nothing,
        ),
        (RateLayer::new(PACE).listen(Standard), unheard_pace),
        (
            RateLayer::new(PACE.and(PACE)).correct(|_| Some(1)),
            kept_pace,
        ),
        (RateLayer::new(PACE).charged_later(), kept_pace),
    ] {
        assert_eq!(refused(&layer), text, "{layer:?}");
    }
}

#[test]
fn what_is_said_later_or_for_other_slots_is_no_contradiction() {
    let pace_and_window = || RateLayer::by_slot().slot("a", PACE).slot("b", QUOTA);
    for layer in [
        RateLayer::new(ADOPTS.and(SEEDED)).listen(Standard),
        RateLayer::by_slot()
            .listen(Standard)
            .charged_later()
            .slot("a", ADOPTS),
        RateLayer::new(QUOTA).also(Rule::new(Keyed::new(ADOPTS, key::host)).listen(Standard)),
        RateLayer::by_slot().unlimited("a"),
        RateLayer::new(Limit::Unlimited),
        RateLayer::new(PACE).cost(|_| 1),
        RateLayer::new(PACE.and(ADOPTS))
            .listen(Standard)
            .charged_later(),
        pace_and_window().listen(Standard).correct(|_| None),
        // Others may share the window, and go first.
        RateLayer::new(QUOTA.reserve(2)),
    ] {
        layer.layer(());
        layer.detach().layer(());
    }
}
