//! Counters of what is used up, as Binance has them.

use std::time::Duration;

use http::HeaderName;

use super::count::greatest;
use super::dialect::Dialect;
use super::stated::Stated;
use super::statements::Statements;
use crate::throttle::ResponseHead;

/// Headers that tell how much is used up in a window, with the window at the end of their names.
///
/// ```text
/// X-MBX-USED-WEIGHT-1M: 237
/// X-MBX-ORDER-COUNT-10S: 4
/// ```
///
/// The window is a number and `S`, `M`, `H` or `D`; without one it is not stated. What is allowed, such servers tell elsewhere.
/// Values and windows that cannot be read are ignored; of several values for one name the greatest counts.
///
/// ```
/// use rate_layer::{Dialect, MINUTE, ResponseHead, Stated, Statements, UsedWeight};
///
/// # fn main() -> Result<(), http::Error> {
/// let weight = UsedWeight::prefixed("X-MBX-USED-WEIGHT");
/// let response = http::Response::builder().header("X-MBX-USED-WEIGHT-1M", "237").body(())?;
/// let mut statements = Statements::new();
/// weight.read(&ResponseHead::of(&response), &mut statements);
/// assert_eq!(statements.as_slice(), [Stated::new().used(237).window(MINUTE)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UsedWeight {
    prefix: HeaderName,
}

impl UsedWeight {
    /// Reads the headers that are called `prefix`, alone or with a dash and a window.
    ///
    /// # Panics
    ///
    /// If no header can be called `prefix`.
    #[must_use]
    pub fn prefixed(prefix: &str) -> Self {
        match HeaderName::from_bytes(prefix.as_bytes()) {
            Ok(prefix) => Self { prefix },
            Err(_) => panic!("no header can be called {prefix:?}"),
        }
    }

    /// What `name` says of the window, if it is one of these headers.
    fn named(&self, name: &HeaderName) -> Option<Stated> {
        let rest = name.as_str().strip_prefix(self.prefix.as_str())?;
        if rest.is_empty() {
            return Some(Stated::new());
        }
        Some(Stated::new().window(interval(rest.strip_prefix('-')?)?))
    }
}

impl Dialect for UsedWeight {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let headers = head.headers();
        for name in headers.keys() {
            let Some(stated) = self.named(name) else {
                continue;
            };
            if let Some(used) = greatest(headers, name) {
                if head.is_cached() {
                    return;
                }
                into.push(stated.used(used));
            }
        }
    }
}

/// Reads `1m`, `10s`: header names are in lower case.
fn interval(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<u64>().ok()?.checked_mul(unit)?;
    let window = Duration::from_secs(seconds);
    (!window.is_zero() && window <= Stated::LONGEST).then_some(window)
}

#[cfg(test)]
mod tests {
    use super::super::dialect::read;
    use super::*;

    #[test]
    fn the_window_stands_at_the_end_of_the_name() {
        let weight = UsedWeight::prefixed("X-MBX-USED-WEIGHT");
        let used = |used, seconds| {
            Stated::new()
                .used(used)
                .window(Duration::from_secs(seconds))
        };
        for (name, expected) in [
            ("X-MBX-USED-WEIGHT", vec![Stated::new().used(237)]),
            ("X-MBX-USED-WEIGHT-1S", vec![used(237, 1)]),
            ("x-mbx-used-weight-1m", vec![used(237, 60)]),
            ("X-MBX-USED-WEIGHT-5M", vec![used(237, 300)]),
            ("X-MBX-USED-WEIGHT-1H", vec![used(237, 3_600)]),
            ("X-MBX-USED-WEIGHT-1D", vec![used(237, 86_400)]),
            ("X-MBX-USED-WEIGHT-", vec![]),
            ("X-MBX-USED-WEIGHT-M", vec![]),
            ("X-MBX-USED-WEIGHT-0M", vec![]),
            ("X-MBX-USED-WEIGHT-1W", vec![]),
            ("X-MBX-USED-WEIGHT-+1M", vec![]),
            ("X-MBX-USED-WEIGHT-400D", vec![]),
            ("X-MBX-USED-WEIGHT-99999999999999999999S", vec![]),
            ("X-MBX-USED-WEIGHT-9999999999999999999D", vec![]),
            ("X-MBX-USED-WEIGHTS-1M", vec![]),
            ("X-MBX-ORDER-COUNT-1M", vec![]),
        ] {
            assert_eq!(read(&weight, &[(name, "237")]), expected, "{name}");
        }
    }

    #[test]
    fn each_window_is_a_statement_and_the_greatest_value_counts() {
        let weight = UsedWeight::prefixed("x-mbx-used-weight");
        let name = "x-mbx-used-weight-1m";
        let headers = [
            (name, "5"),
            (name, "9"),
            (name, "-1"),
            ("x-mbx-used-weight-1s", "x"),
            ("x-mbx-used-weight-1d", "70"),
        ];
        let mut stated = read(&weight, &headers);
        stated.sort_by_key(|stated| stated.window);
        assert_eq!(stated.len(), 2);
        assert_eq!((stated[0].used, stated[1].used), (Some(9), Some(70)));
        assert_eq!(read(&weight, &[(name, "5"), ("age", "1")]), []);
    }

    #[test]
    #[should_panic(expected = "no header can be called \"\"")]
    fn a_prefix_that_no_header_can_have_is_refused() {
        let _ = UsedWeight::prefixed("");
    }
}
