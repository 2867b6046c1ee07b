//! A Tower layer that keeps an API client within the server's rolling limit.
