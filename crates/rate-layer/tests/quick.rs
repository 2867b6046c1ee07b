//! Windows that read the processor's counter.
#![cfg(feature = "quanta")]

use std::num::NonZeroU32;
use std::time::Duration;

use rate_layer::{MINUTE, Quota, RateErrorKind, SECOND, Window};
use tokio::time::{Instant, advance};

const MINUTE_AND_MARGIN: Duration = Duration::from_millis(60_060);

fn use_up(window: &Window) {
    let mut place = window.try_admit(NonZeroU32::MIN).expect("a place");
    place.depart();
    place.answered();
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_holds_exactly() {
    let window = Window::quick(Quota::rolling(1, MINUTE));
    for _ in 0..200 {
        use_up(&window);
        let error = window.try_admit(NonZeroU32::MIN).expect_err("it is taken");
        assert_eq!(error.kind(), RateErrorKind::WouldWait);
        assert_eq!(error.retry_in(), Some(MINUTE_AND_MARGIN));
        advance(MINUTE_AND_MARGIN - Duration::from_micros(5)).await;
        assert!(window.try_admit(NonZeroU32::MIN).is_err());
        advance(Duration::from_micros(5)).await;
    }
}

#[tokio::test]
async fn a_clock_that_runs_is_kept_to_within_a_millisecond() {
    let window = Window::quick(Quota::rolling(1, SECOND).margin(Duration::ZERO));
    let begin = Instant::now();
    use_up(&window);
    let answered = begin.elapsed();
    // Long enough for the counter to be believed, and looked at anew, many times.
    let mut refusals = 0_u32;
    while begin.elapsed() < answered + Duration::from_millis(30) {
        let before = begin.elapsed();
        let error = window.try_admit(NonZeroU32::MIN).expect_err("it is taken");
        let (after, left) = (begin.elapsed(), error.retry_in().expect("a time"));
        // A millisecond of the counter's at each end.
        let slack = Duration::from_millis(2);
        assert!(
            before + left <= answered + SECOND + slack,
            "{before:?} {left:?}"
        );
        assert!(after + left + slack >= SECOND, "{after:?} {left:?}");
        refusals += 1;
    }
    assert!(refusals > 0);
}

#[tokio::test]
async fn windows_beside_it_share_its_clock_and_keep_their_limits() {
    let window = Window::quick(Quota::rolling(1, MINUTE));
    let beside = window.beside(Quota::rolling(2, MINUTE));
    use_up(&window);
    use_up(&beside);
    use_up(&beside);
    assert!(window.try_admit(NonZeroU32::MIN).is_err());
    assert!(beside.try_admit(NonZeroU32::MIN).is_err());
}
