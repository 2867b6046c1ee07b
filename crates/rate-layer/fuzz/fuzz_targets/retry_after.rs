//! Reads `Retry-After`, against `Date` where it is a date.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rate_layer::{ResponseHead, Throttle};
use rate_layer_fuzz::response;

fuzz_target!(|block: &[u8]| {
    let mut response = response(block);
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let head = ResponseHead::of(&response);
    let retry_after = head.retry_after();
    let throttle = Throttle::by_status(&head);
    assert_eq!(throttle, Throttle::Ours { retry_after });
    if !response.headers().contains_key("retry-after") {
        assert_eq!(retry_after, None);
    }
});
