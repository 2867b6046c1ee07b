//! What layers of one HTTP client call tell each other: route class, slot, attempt, deadline, and whether the call ever left.
