//! What a window for each of many keys costs in memory.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use rate_layer::{MINUTE, Quota, Windows};
use tokio::runtime::Builder;
use tokio::time;

/// Without optimisation as many take a minute.
const KEYS: u32 = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};
const PLACES: u32 = 100;
/// The bytes that a key may take at the most, itself included.
const MOST: u64 = 512;

/// All windows, with every place of every key closing, each at a moment of its own.
async fn full_windows() -> Windows {
    let most = NonZeroUsize::new(KEYS as usize).expect("not zero");
    let windows = Windows::bounded(Quota::rolling(PLACES, MINUTE), most, MINUTE);
    for _ in 0..PLACES {
        time::advance(Duration::from_millis(1)).await;
        for key in 0..KEYS {
            let key = format!("account-{key:08}");
            let window = windows.window(key.as_str()).expect("there is room");
            let place = window.try_admit(NonZeroU32::MIN);
            place.expect("it has a place left").answered();
        }
    }
    windows
}

#[test]
fn many_keys_with_a_hundred_places_each_take_less_than_512_bytes_a_key() {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let mut windows = None;
    let taken = allocation_counter::measure(|| windows = Some(runtime.block_on(full_windows())));
    let windows = windows.expect("made");
    assert_eq!(windows.len(), KEYS as usize);
    let last = windows
        .window(format!("account-{:08}", KEYS - 1))
        .expect("it is there");
    assert_eq!(last.snapshot().used, PLACES);
    let bytes = u64::try_from(taken.bytes_current).expect("more than before");
    let a_key = bytes / u64::from(KEYS);
    println!(
        "{a_key} bytes a key, {} at the peak",
        taken.bytes_max / u64::from(KEYS)
    );
    assert!(a_key < MOST, "{a_key} bytes a key");
}
