//! Two threads at one limiter.

use std::num::NonZeroU32;

use benches::{Pace, limiters};
use criterion::Criterion;

use crate::hammered::hammered;

const GROUP: &str = "contended";

pub(crate) fn measure(criterion: &mut Criterion) {
    let window = limiters::tollgate(Pace::OPEN);
    hammered(criterion, GROUP, "tollgate", || {
        window.try_admit(NonZeroU32::MIN).map(|mut place| {
            place.depart();
            place.answered();
        })
    });
    let limiter = limiters::governor(Pace::OPEN);
    hammered(criterion, GROUP, "governor", || limiter.check());
    let limiter = limiters::governor_quanta(Pace::OPEN);
    hammered(criterion, GROUP, "governor_quanta", || limiter.check());
    let limiter = limiters::leaky_bucket(Pace::OPEN);
    hammered(criterion, GROUP, "leaky_bucket", || limiter.try_acquire(1));
    let limiter = limiters::ratelimit(Pace::OPEN);
    hammered(criterion, GROUP, "ratelimit", || limiter.try_wait());
    let limiter = limiters::throttle_net(Pace::OPEN);
    hammered(criterion, GROUP, "throttle_net", || limiter.try_acquire());
}
