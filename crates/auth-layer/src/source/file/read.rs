//! One look at a token file. Blocks.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::Unreadable;
use crate::Secret;
use crate::secret::{Scheme, Unsendable};

/// The largest file that is read, in bytes. Servers take headers of 8 KiB to 64 KiB.
pub(super) const LARGEST: usize = 64 * 1024;

pub(super) fn read(path: &Path) -> Result<Secret, Unreadable> {
    // Before it is opened: to open a pipe waits for its writer, and to open a device may do something.
    regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(&file.metadata()?)?;
    // Its full size at once: what a growing buffer leaves behind is not overwritten.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let most = u64::try_from(LARGEST + 1).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes)?;
    token(&bytes)
}

fn regular(metadata: &Metadata) -> Result<(), Unreadable> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(Unreadable::NotAFile)
    }
}

fn token(bytes: &[u8]) -> Result<Secret, Unreadable> {
    if bytes.len() > LARGEST {
        return Err(Unreadable::TooLarge);
    }
    let text = str::from_utf8(bytes).map_err(|_| Unreadable::NotText)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    let token = Secret::from(text);
    // What the slot would refuse later must not take the place of the last good value now.
    if text.contains(' ') {
        return Err(Unreadable::Unsendable(Unsendable::Whitespace));
    }
    Scheme::Bare.value(&token).map_err(Unreadable::Unsendable)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_at_the_end_are_cut_off_and_nothing_else_is() {
        for text in ["a.b.c", "a.b.c\n", "a.b.c\r\n", "a.b.c\n\n"] {
            let token = token(text.as_bytes()).expect("a token");
            assert_eq!(token.expose(), "a.b.c", "{text:?}");
        }
        for text in [" a", "a ", "a b", "\na", "a\nb", "a\tb", "\u{feff}a", "a\0"] {
            let why = token(text.as_bytes()).expect_err("no token");
            assert!(matches!(why, Unreadable::Unsendable(_)), "{text:?}");
        }
    }

    #[test]
    fn what_is_empty_too_large_or_not_text_is_no_token() {
        for text in ["", "\n", "\r\n\n"] {
            assert!(matches!(token(text.as_bytes()), Err(Unreadable::Empty)));
        }
        assert!(matches!(token(b"a\xff"), Err(Unreadable::NotText)));
        assert!(token(&[b'a'; LARGEST]).is_ok());
        let large = token(&[b'a'; LARGEST + 1]);
        assert!(matches!(large, Err(Unreadable::TooLarge)));
    }
}
