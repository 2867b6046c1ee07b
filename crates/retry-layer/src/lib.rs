//! A Tower layer that repeats a request when that is safe and useful.
