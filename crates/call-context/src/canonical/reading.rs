//! Reads a path character by character, through all layers of percent-encoding.

use std::borrow::Cow;

/// One character of a path.
pub(super) struct Read {
    pub(super) byte: u8,
    /// How often it is encoded: 0 for `.`, 1 for `%2e`, 2 for `%252e`.
    pub(super) layers: usize,
    pub(super) end: usize,
}

/// Reads the character at `at`, through all layers of encoding. `None` for a malformed escape.
pub(super) fn read(bytes: &[u8], at: usize) -> Option<Read> {
    let mut read = Read {
        byte: *bytes.get(at)?,
        layers: 0,
        end: at + 1,
    };
    while read.byte == b'%' {
        match hex_pair(bytes, read.end) {
            Some(byte) => {
                read.byte = byte;
                read.layers += 1;
                read.end += 2;
            }
            None if read.layers == 0 => return None,
            None => break,
        }
    }
    Some(read)
}

fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

impl Read {
    /// Whether it begins an overlong form of UTF-8: one that spells a character with more bytes than it needs. `bytes` is
    /// the path that it was read from.
    pub(super) fn is_overlong(&self, bytes: &[u8]) -> bool {
        let next = || read(bytes, self.end).map_or(0, |next| next.byte);
        match self.byte {
            0xc0 | 0xc1 => true,
            0xe0 => matches!(next(), 0x80..=0x9f),
            0xf0 => matches!(next(), 0x80..=0x8f),
            _ => false,
        }
    }
}

/// A canonical path as a program reads it that decodes before it routes. Encoded slashes stay as they are, since those
/// are allowed only where the server is known not to decode first. `None` where decoding changes nothing.
pub(crate) fn decoded(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(read) = read(bytes, at) {
        match (read.byte, read.layers) {
            (b'/', 1..) => decoded.extend_from_slice(b"%2F"),
            (byte, _) => decoded.push(byte),
        }
        at = read.end;
    }
    let text = String::from_utf8_lossy(&decoded);
    Some(Cow::into_owned(text))
}
