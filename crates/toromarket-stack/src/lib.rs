//! A Tollgate stack for the Toromarket API.
