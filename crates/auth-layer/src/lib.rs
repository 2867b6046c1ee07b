//! Tower layers that put the right credential on each request of an API client, and renew it.
