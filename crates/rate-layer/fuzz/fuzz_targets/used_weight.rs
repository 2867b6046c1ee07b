//! Reads counters of what is used up.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rate_layer::UsedWeight;
use rate_layer_fuzz::read;

static WEIGHT: LazyLock<UsedWeight> = LazyLock::new(|| UsedWeight::prefixed("x-mbx-used-weight"));
static ORDERS: LazyLock<UsedWeight> = LazyLock::new(|| UsedWeight::prefixed("x-mbx-order-count"));

fuzz_target!(|block: &[u8]| {
    for dialect in [&*WEIGHT, &*ORDERS] {
        for stated in read(dialect, block).iter() {
            assert!(stated.used.is_some() && stated.reset.is_none());
        }
    }
});
