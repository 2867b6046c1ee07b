//! Why a file gives no token.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::read::LARGEST;
use crate::Unsendable;

/// Why a file gives no token. Shows its path and nothing of its text.
#[derive(Debug)]
pub(super) struct FileError {
    path: PathBuf,
    why: Unreadable,
}

#[derive(Debug)]
pub(super) enum Unreadable {
    Io(io::Error),
    NotAFile,
    TooLarge,
    Empty,
    NotText,
    Unsendable(Unsendable),
    Changing,
    Slow,
    Lost,
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl FileError {
    pub(super) fn new(path: &Path, why: Unreadable) -> Self {
        Self {
            path: path.to_owned(),
            why,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file `{}` gives no token: ", self.path.display())?;
        match &self.why {
            Unreadable::Io(error) => write!(f, "{error}"),
            Unreadable::NotAFile => f.write_str("it is no regular file"),
            Unreadable::TooLarge => write!(f, "it is larger than {} KiB", LARGEST / 1024),
            Unreadable::Empty => f.write_str("it is empty"),
            Unreadable::NotText => f.write_str("it is not UTF-8"),
            Unreadable::Unsendable(why) => write!(f, "{why}"),
            Unreadable::Changing => {
                f.write_str("it changes at each look; let its writer rename a finished file")
            }
            Unreadable::Slow => f.write_str("reading it takes too long; its file system hangs"),
            Unreadable::Lost => f.write_str("the runtime is shutting down"),
        }
    }
}

impl Error for FileError {}
