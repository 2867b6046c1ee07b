//! A Tollgate stack for the Torque API.
