//! Books in virtual time.

mod alarms;
mod desk;
mod hostile;
mod keys;
mod lanes;
mod offers;
mod one_window;
mod seeded;
mod several;
mod solo;
