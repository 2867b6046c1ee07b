/// What all of it is about.
pub(super) const HEADING: &str = "What retries cost while a server is out, and what they mend";

/// What the picture shows, for those who do not see it.
pub(super) const PICTURE: &str = "Attempts a request over an outage, policy by policy";

/// What the figures show.
pub(super) const SEEN: &[&str] = &[];

/// What the figures mean, and how they came about.
pub(super) fn notes() -> Vec<String> {
    vec![]
}
