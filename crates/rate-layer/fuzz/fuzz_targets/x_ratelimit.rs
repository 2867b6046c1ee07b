//! Reads `X-RateLimit-*` and a family with a suffix, with every form of the reset.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rate_layer::{ResetForm, XRateLimit};
use rate_layer_fuzz::read;

static DIALECTS: LazyLock<Vec<XRateLimit>> = LazyLock::new(|| {
    let forms = [
        ResetForm::Guess,
        ResetForm::Seconds,
        ResetForm::UnixSeconds,
        ResetForm::UnixMillis,
        ResetForm::Duration,
        ResetForm::Timestamp,
    ];
    let families = [
        XRateLimit::new(),
        XRateLimit::prefixed("x-rate-limit"),
        XRateLimit::new().suffix("requests"),
    ];
    let with_each = |family: XRateLimit| forms.map(|form| family.clone().reset(form));
    families.into_iter().flat_map(with_each).collect()
});

fuzz_target!(|block: &[u8]| {
    for dialect in DIALECTS.iter() {
        read(dialect, block);
    }
});
