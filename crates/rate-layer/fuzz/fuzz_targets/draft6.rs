//! Reads headers by `Draft6`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rate_layer::Draft6;
use rate_layer_fuzz::read;

fuzz_target!(|block: &[u8]| {
    read(&Draft6, block);
});
