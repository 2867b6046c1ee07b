//! A place is taken, where there is always one.

use std::mem;
use std::num::NonZeroU32;
use std::time::Duration;

use benches::{Harness, Pace, limiters};

pub(crate) fn measure(harness: &mut impl Harness) {
    const GROUP: &str = "admit";

    let window = limiters::tollgate(Pace {
        limit: u32::MAX,
        window: Duration::from_secs(60),
    });
    harness.op(GROUP, "tollgate", || {
        // What becomes of a place is another matter.
        mem::forget(window.try_admit(NonZeroU32::MIN).expect("a place"));
    });
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
