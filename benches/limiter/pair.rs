//! A place is taken, and the request is answered.

use std::num::NonZeroU32;

use benches::{Harness, Pace, limiters};

pub(crate) fn measure(harness: &mut impl Harness) {
    const GROUP: &str = "pair";

    let windows = [
        ("tollgate", limiters::tollgate(Pace::OPEN)),
        ("tollgate_quanta", limiters::tollgate_quanta(Pace::OPEN)),
    ];
    for (function, window) in windows {
        harness.op(GROUP, function, || {
            let mut place = window.try_admit(NonZeroU32::MIN).expect("a place");
            place.depart();
            place.answered();
        });
    }
    // The others count when they admit, and know nothing of answers.
    let limiter = limiters::governor(Pace::OPEN);
    harness.op(GROUP, "governor", || limiter.check().expect("a place"));
    let limiter = limiters::governor_quanta(Pace::OPEN);
    harness.op(GROUP, "governor_quanta", || {
        limiter.check().expect("a place");
    });
    let limiter = limiters::leaky_bucket(Pace::OPEN);
    harness.op(GROUP, "leaky_bucket", || assert!(limiter.try_acquire(1)));
    let limiter = limiters::ratelimit(Pace::OPEN);
    harness.op(GROUP, "ratelimit", || limiter.try_wait().expect("a place"));
    let limiter = limiters::throttle_net(Pace::OPEN);
    harness.op(GROUP, "throttle_net", || assert!(limiter.try_acquire()));
}
