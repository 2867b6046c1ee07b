//! What the errors of hyper, hyper-util's legacy client and reqwest prove: each case on a raw loopback server.

mod connect;
mod http1;
mod http2;
mod reqwest_client;
mod support;
mod transport;
