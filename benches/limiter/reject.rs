//! There is no place, and the limiter says when there will be one, where it can.

use std::num::NonZeroU32;

use benches::{Harness, Pace, limiters};
use throttle_net::Limiter;

pub(crate) fn measure(harness: &mut impl Harness) {
    const GROUP: &str = "reject";
    let taken = Pace::SHUT.limit;

    let windows = [
        ("tollgate", limiters::tollgate(Pace::SHUT)),
        ("tollgate_quanta", limiters::tollgate_quanta(Pace::SHUT)),
    ];
    for (function, window) in windows {
        for _ in 0..taken {
            let place = window.try_admit(NonZeroU32::MIN).expect("a place");
            place.answered();
        }
        harness.op(GROUP, function, || {
            window.try_admit(NonZeroU32::MIN).expect_err("no place")
        });
    }
    let limiter = limiters::governor(Pace::SHUT);
    for _ in 0..taken {
        limiter.check().expect("a place");
    }
    harness.op(GROUP, "governor", || limiter.check().expect_err("no place"));
    let limiter = limiters::governor_quanta(Pace::SHUT);
    for _ in 0..taken {
        limiter.check().expect("a place");
    }
    harness.op(GROUP, "governor_quanta", || {
        limiter.check().expect_err("no place")
    });
    let limiter = limiters::leaky_bucket(Pace::SHUT);
    for _ in 0..taken {
        assert!(limiter.try_acquire(1));
    }
    harness.op(GROUP, "leaky_bucket", || assert!(!limiter.try_acquire(1)));
    let limiter = limiters::ratelimit(Pace::SHUT);
    for _ in 0..taken {
        limiter.try_wait().expect("a place");
    }
    harness.op(GROUP, "ratelimit", || {
        limiter.try_wait().expect_err("no place")
    });
    let limiter = limiters::throttle_net(Pace::SHUT);
    for _ in 0..taken {
        assert!(limiter.try_acquire());
    }
    harness.op(GROUP, "throttle_net", || {
        let decision = limiter.acquire_cost(1);
        assert!(!decision.is_acquired());
        decision
    });
}
