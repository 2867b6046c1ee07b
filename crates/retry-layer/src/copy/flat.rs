//! A request's headers in one buffer.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Room for a header of ordinary length. Longer ones make the buffer grow.
const ORDINARY: usize = 64;

/// Headers, written one after the other into one buffer.
///
/// Most copies of requests are dropped unused, so this one is cheap to make and to drop rather than to read: one allocation. A
/// clone of a `HeaderMap` takes two for its tables, and one for each name and value that is not shared yet.
///
/// What comes out equals what went in: also the order of the headers, of several values of one name, and which values are
/// sensitive.
pub(super) struct Flat {
    bytes: Vec<u8>,
    count: usize,
}

impl Flat {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let count = headers.len();
        let mut bytes = Vec::with_capacity(count * ORDINARY);
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            let lengths = Lengths {
                name: name.len(),
                value: value.len(),
                sensitive: value.is_sensitive(),
            };
            bytes.extend_from_slice(&lengths.write());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value.as_bytes());
        }
        Self { bytes, count }
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.count);
        let mut rest = self.bytes.as_slice();
        while let Some((lengths, after)) = rest.split_first_chunk() {
            let lengths = Lengths::read(*lengths);
            let (name, after) = after.split_at(lengths.name);
            let (value, after) = after.split_at(lengths.value);
            let name = HeaderName::from_bytes(name).expect("was a name");
            let mut value = HeaderValue::from_bytes(value).expect("was a value");
            value.set_sensitive(lengths.sensitive);
            headers.append(name, value);
            rest = after;
        }
        headers
    }
}

/// What stands before each header: one word.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lengths {
    /// No more than 16 bits: `http` allows no longer names.
    name: usize,
    value: usize,
    sensitive: bool,
}

impl Lengths {
    const SIZE: usize = size_of::<u64>();

    fn write(self) -> [u8; Self::SIZE] {
        let word =
            ((self.value as u64) << 17) | ((self.name as u64) << 1) | u64::from(self.sensitive);
        word.to_ne_bytes()
    }

    fn read(bytes: [u8; Self::SIZE]) -> Self {
        let word = u64::from_ne_bytes(bytes);
        Self {
            name: usize::from((word >> 1) as u16),
            value: (word >> 17) as usize,
            sensitive: word & 1 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn listed(headers: &HeaderMap) -> Vec<(&HeaderName, &[u8], bool)> {
        headers
            .iter()
            .map(|(name, value)| (name, value.as_bytes(), value.is_sensitive()))
            .collect()
    }

    fn assert_same(headers: &HeaderMap) {
        let flat = Flat::of(headers);
        // Twice: reading takes nothing out of it.
        for _ in 0..2 {
            let again = flat.headers();
            assert_eq!(&again, headers);
            assert_eq!(listed(&again), listed(headers));
        }
    }

    #[test]
    fn names_and_values_of_any_length_come_out_as_they_went_in() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_bytes(&[b'x'; u16::MAX as usize]).expect("the longest name");
        headers.append(name.clone(), HeaderValue::from_static(""));
        let mut value = HeaderValue::from_bytes(&[b'v'; 200_000]).expect("a long value");
        value.set_sensitive(true);
        headers.append(name, value);
        assert_same(&headers);
    }

    /// What a program may have done to its headers before.
    #[derive(Clone, Debug)]
    enum Act {
        Insert(&'static str, Vec<u8>, bool),
        Append(&'static str, Vec<u8>, bool),
        Remove(&'static str),
    }

    fn act() -> impl Strategy<Value = Act> {
        let names = ["accept", "cookie", "x-request-id", "x-account", "a"];
        let name = move || proptest::sample::select(names.to_vec());
        let byte = prop_oneof![Just(b'\t'), 32..127u8, 128..=255u8];
        let value = move || vec(byte.clone(), 0..40);
        prop_oneof![
            1 => (name(), value(), any::<bool>()).prop_map(|(n, v, s)| Act::Insert(n, v, s)),
            3 => (name(), value(), any::<bool>()).prop_map(|(n, v, s)| Act::Append(n, v, s)),
            1 => name().prop_map(Act::Remove),
        ]
    }

    fn after(acts: Vec<Act>) -> HeaderMap {
        let made = |bytes: Vec<u8>, sensitive| {
            let mut value = HeaderValue::from_bytes(&bytes).expect("no control characters");
            value.set_sensitive(sensitive);
            value
        };
        let mut headers = HeaderMap::new();
        for act in acts {
            match act {
                Act::Insert(name, value, sensitive) => {
                    headers.insert(name, made(value, sensitive));
                }
                Act::Append(name, value, sensitive) => {
                    headers.append(name, made(value, sensitive));
                }
                Act::Remove(name) => {
                    headers.remove(name);
                }
            }
        }
        headers
    }

    proptest! {
        #[test]
        fn headers_come_out_as_they_went_in(acts in vec(act(), 0..40)) {
            assert_same(&after(acts));
        }

        #[test]
        fn lengths_are_read_as_they_were_written(
            name in 0..=usize::from(u16::MAX),
            value in 0..=u32::MAX as usize,
            sensitive: bool,
        ) {
            let lengths = Lengths { name, value, sensitive };
            assert_eq!(Lengths::read(lengths.write()), lengths);
        }
    }
}
