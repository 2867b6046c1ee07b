//! A proxy whose claim is false.
