//! Reads headers by `Ietf`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rate_layer::Ietf;
use rate_layer_fuzz::read;

fuzz_target!(|block: &[u8]| {
    read(&Ietf, block);
});
