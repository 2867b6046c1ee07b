//! What the fuzz targets share: a block of header lines as headers, and challenges as a header line.

use auth_layer::Challenge;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Makes headers of lines `Name: value`; lines that cannot be headers are left out.
pub fn headers(block: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in block.split(|&byte| byte == b'\n') {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let name = HeaderName::from_bytes(name.trim_ascii());
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            // A map holds no more than some thousands: the rest is dropped, as a client would refuse them.
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

/// Writes a challenge down: a scheme, and each of `names` that it has.
pub fn write(challenge: &Challenge, names: &[&str]) -> String {
    let mut line = challenge.scheme().to_owned();
    let mut before = " ";
    for name in names {
        if let Some(value) = challenge.get(name) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            line.push_str(&format!("{before}{name}=\"{value}\""));
            before = ", ";
        }
    }
    line
}
