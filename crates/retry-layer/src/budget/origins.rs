//! An allowance for each origin, in bounded room.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use call_context::Origin;
use http::Uri;

use super::bucket::Bucket;

/// How many places an origin may have.
const PLACES: usize = 8;
/// The key of a place that nobody has had yet.
const NOBODY: u64 = 0;

/// A table of allowances; finding one is a hash and a few loads.
///
/// A place changes hands only while its allowance is full. The newcomer takes it over as it is, so to whoever comes back to
/// another one no retry is given twice, and however many names are made up there are never more allowances than places.
pub(super) struct Origins {
    hasher: RandomState,
    places: Box<[Place]>,
    /// Whether somebody gives a place to a newcomer. Nobody waits for that.
    moving_in: AtomicBool,
}

struct Place {
    /// The hash of the origin that has it.
    key: AtomicU64,
    bucket: Bucket,
}

/// The hash of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Origins {
    pub(super) fn new(count: u16, full: i64) -> Self {
        let place = |_| Place {
            key: AtomicU64::new(NOBODY),
            bucket: Bucket::new(full),
        };
        Self {
            hasher: RandomState::new(),
            places: (0..count).map(place).collect(),
            moving_in: AtomicBool::new(false),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    pub(super) fn bucket(&self, place: usize) -> Option<&Bucket> {
        self.places.get(place).map(|place| &place.bucket)
    }

    /// The key of the origin that `uri` belongs to; what belongs to none goes under one key.
    pub(super) fn key_of(&self, uri: &Uri) -> Key {
        let https = uri.scheme_str() == Some("https");
        let default = if https { 443 } else { 80 };
        let host = uri.host().unwrap_or_default();
        self.key(https, host, uri.port_u16().unwrap_or(default))
    }

    pub(super) fn key_for(&self, origin: &Origin) -> Key {
        self.key(origin.is_https(), origin.host(), origin.port())
    }

    fn key(&self, https: bool, host: &str, port: u16) -> Key {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(u32::from(port) << 1 | u32::from(https));
        for part in host.as_bytes().chunks(32) {
            let mut lower = [0; 32];
            let lower = &mut lower[..part.len()];
            lower.copy_from_slice(part);
            lower.make_ascii_lowercase();
            hasher.write(lower);
        }
        Key(hasher.finish().max(NOBODY + 1))
    }

    /// The places that `key` may have.
    fn places(&self, key: Key) -> impl Iterator<Item = (usize, &Place)> {
        let count = self.places.len();
        let first = (key.0 % count.max(1) as u64) as usize;
        (0..count.min(PLACES)).map(move |step| {
            let index = (first + step) % count;
            (index, &self.places[index])
        })
    }

    /// The place that `key` has.
    pub(super) fn find(&self, key: Key) -> Option<usize> {
        let mut places = self.places(key);
        let found = places.find(|(_, place)| place.key.load(Relaxed) == key.0);
        found.map(|(index, _)| index)
    }

    /// A place that `key` could have: one that it has, that nobody has had, or whose allowance is full.
    pub(super) fn find_room(&self, key: Key, now: i64, full: i64) -> Option<usize> {
        let is_free =
            |place: &Place| place.key.load(Relaxed) == NOBODY || place.bucket.is_full(now, full);
        let mut places = self.places(key);
        let room = || {
            places
                .find(|(_, place)| is_free(place))
                .map(|(index, _)| index)
        };
        self.find(key).or_else(room)
    }

    /// The place that `key` has, or one that it gets now; `None` where all are taken, or another one is moving in.
    pub(super) fn find_or_move_in(&self, key: Key, now: i64, full: i64) -> Option<usize> {
        self.find(key).or_else(|| {
            // One at a time, so that no origin gets two places. Who comes second shares this once, and does not wait.
            if self.moving_in.swap(true, Acquire) {
                return None;
            }
            let room = self.find_room(key, now, full);
            if let Some(index) = room {
                self.places[index].key.store(key.0, Relaxed);
            }
            self.moving_in.store(false, Release);
            room
        })
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_and_its_origin_have_one_key_and_others_have_others() {
        let origins = Origins::new(4, 1);
        let uri = |text: &'static str| origins.key_of(&Uri::from_static(text));
        let origin = |text: &str| origins.key_for(&text.parse().expect("an origin"));
        let long = "https://a-long-name-of-more-than-32-letters.example.com";
        assert_eq!(
            uri("https://API.example.com/a?b"),
            origin("https://api.example.com")
        );
        assert_eq!(
            uri("https://api.example.com:443"),
            origin("https://api.example.com")
        );
        assert_eq!(uri("http://[::1]:8080/a"), origin("http://[::1]:8080"));
        assert_eq!(origins.key_of(&long.parse().expect("a URI")), origin(long));
        assert_ne!(
            uri("http://api.example.com"),
            uri("https://api.example.com")
        );
        assert_ne!(
            uri("https://api.example.com:8443"),
            uri("https://api.example.com")
        );
        assert_eq!(uri("/a"), uri("/b"));
    }

    #[test]
    fn nobody_moves_in_where_something_has_been_spent() {
        let (full, now) = (10, 0);
        let origins = Origins::new(2, full);
        let key = |n: u64| Key(n);
        let a = origins.find_or_move_in(key(1), now, full).expect("a place");
        let b = origins.find_or_move_in(key(2), now, full).expect("a place");
        assert_ne!(a, b);
        for place in [a, b] {
            assert!(origins.places[place].bucket.withdraw(now, 3, full));
        }
        assert_eq!(origins.find_or_move_in(key(3), now, full), None);
        assert_eq!(origins.find_or_move_in(key(1), now, full), Some(a));
        // Three later, both are full again.
        assert!(origins.find_or_move_in(key(3), now + 2, full).is_none());
        let taken = origins.find_or_move_in(key(3), now + 3, full);
        assert!(taken == Some(a) || taken == Some(b));
        let gone = if taken == Some(a) { 1 } else { 2 };
        assert_eq!(origins.find(key(gone)), None);
    }

    #[test]
    fn who_comes_while_another_one_moves_in_does_not_wait() {
        let origins = Origins::new(2, 1);
        origins.moving_in.store(true, Relaxed);
        assert_eq!(origins.find_or_move_in(Key(7), 0, 1), None);
        origins.moving_in.store(false, Relaxed);
        let place = origins.find_or_move_in(Key(7), 0, 1);
        assert!(place.is_some());
        assert_eq!(origins.find_or_move_in(Key(7), 0, 1), place);
        assert!(origins.find_or_move_in(Key(8), 0, 1).is_some());
    }

    #[test]
    fn a_table_without_places_has_room_for_nobody() {
        let origins = Origins::new(0, 1);
        assert_eq!(origins.find_or_move_in(Key(7), 0, 1), None);
    }
}
