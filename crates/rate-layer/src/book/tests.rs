//! Books in virtual time.

mod one_window;
mod solo;
