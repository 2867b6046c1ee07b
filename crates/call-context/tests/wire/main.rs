//! A path that is classified reads the same to everybody, byte for byte; any other is refused by name.

mod readers;
mod refused;
mod sockets;
mod strategies;
