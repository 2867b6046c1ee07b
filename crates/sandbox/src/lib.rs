//! Torque and Toromarket as local servers, with faults on demand.
