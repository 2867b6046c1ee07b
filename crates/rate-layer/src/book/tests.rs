//! Books in virtual time.

mod aligned;
mod desk;
mod events;
mod hostile;
mod keys;
mod lanes;
mod listen;
mod naive;
mod offers;
mod one_window;
mod plain;
mod random;
mod seeded;
mod several;
mod solo;
mod world;
