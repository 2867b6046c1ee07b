//! Reads headers by `Draft7`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rate_layer::Draft7;
use rate_layer_fuzz::read;

fuzz_target!(|block: &[u8]| {
    read(&Draft7, block);
});
