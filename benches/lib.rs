//! Empty: everything in this package is a target of its own.
