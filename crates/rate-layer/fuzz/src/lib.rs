//! What the fuzz targets share: a block of header lines as a response, and what must hold of whatever is read from it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};
use rate_layer::{Dialect, ResponseHead, Standard, Stated, Statements};

/// Makes a response of header lines `Name: value`; lines that cannot be headers are left out.
pub fn response(block: &[u8]) -> Response<()> {
    let mut response = Response::new(());
    for line in block.split(|&byte| byte == b'\n') {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let name = HeaderName::from_bytes(name.trim_ascii());
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            // A map holds no more than some thousands: the rest is dropped, as a client would refuse them.
            let _ = response.headers_mut().try_append(name, value);
        }
    }
    response
}

/// Reads `block` by `dialect`, and by the standard ones together.
///
/// # Panics
///
/// If anything is stated that must never be.
pub fn read(dialect: &dyn Dialect, block: &[u8]) -> Statements {
    let response = response(block);
    let head = ResponseHead::of(&response);
    let mut statements = Statements::new();
    dialect.read(&head, &mut statements);
    check(&statements);
    let mut all = statements;
    Standard.read(&head, &mut all);
    check(&all);
    let kept = all.as_slice().get(..statements.len());
    assert_eq!(kept, Some(statements.as_slice()), "what was there stays");
    statements
}

fn check(statements: &Statements) {
    assert!(statements.len() <= Statements::CAPACITY);
    for (index, stated) in statements.iter().enumerate() {
        assert_ne!(*stated, Stated::new(), "says nothing");
        let earlier = &statements.as_slice()[..index];
        assert!(!earlier.contains(stated), "said twice");
        let is_believable =
            |time: Option<Duration>| time.is_none_or(|time| time <= Stated::LONGEST);
        assert!(is_believable(stated.reset) && is_believable(stated.window));
        assert_ne!(stated.window, Some(Duration::ZERO));
        if let (Some(left), Some(limit)) = (stated.left(), stated.limit) {
            assert!(left <= limit);
        }
    }
}
