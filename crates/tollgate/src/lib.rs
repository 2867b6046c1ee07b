//! Composable Tower layers for clients of APIs that check a token and count requests.
