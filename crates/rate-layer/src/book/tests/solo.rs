//! A book with one window, of which requests of the usual kind take places.

use std::task::Waker;

use super::desk::caller;
use crate::book::claims::Claims;
use crate::book::limiters::Id;
use crate::book::outcome::{Denied, Joined, Leaving, Look, Patience, Reading};
use crate::book::waiter::{Claim, Ticket, Wakes};
use crate::book::{Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::Quotas;
use crate::shape::rolling::Ending;

/// A book with one window.
#[derive(Debug)]
pub(super) struct Solo {
    pub(super) book: Book,
    pub(super) id: Id,
}

impl Solo {
    pub(super) fn new(quotas: impl Into<Quotas>, now: Moment) -> Self {
        let mut book = Book::new(now);
        let id = book.open(now, &quotas.into());
        Self { book, id }
    }

    pub(super) fn claims(&self, cost: u32) -> Claims {
        Claims::one(Claim::new(self.id, cost))
    }

    pub(super) fn admit_unseen(&mut self, cost: u32) -> bool {
        let mut claims = self.claims(cost);
        self.book.admit_unseen(&mut claims, Lane::Rest)
    }

    pub(super) fn admit(
        &mut self,
        now: Moment,
        cost: u32,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        let mut claims = self.claims(cost);
        self.book.admit(now, &mut claims, Lane::Rest, wakes)
    }

    pub(super) fn join(
        &mut self,
        now: Moment,
        cost: u32,
        patience: Patience,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Result<Joined, Denied> {
        let mut claims = self.claims(cost);
        self.book.join(
            now,
            &mut claims,
            Lane::Rest,
            patience,
            &mut caller(waker),
            wakes,
        )
    }

    pub(super) fn look(
        &mut self,
        now: Moment,
        ticket: Ticket,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Look {
        let mut claims = self.claims(1);
        self.book
            .look(now, ticket, &mut claims, &mut caller(waker), wakes)
    }

    pub(super) fn leave(
        &mut self,
        now: Moment,
        ticket: Ticket,
        leaving: Leaving,
        wakes: &mut Wakes,
    ) {
        self.book.leave(now, ticket, leaving, wakes);
    }

    pub(super) fn end(&mut self, now: Moment, cost: u32, ending: Ending, wakes: &mut Wakes) {
        let claims = self.claims(cost);
        let holding = Holding {
            claims: &claims,
            lane: Lane::Rest,
            departed: None,
        };
        self.book.end(now, holding, ending, wakes);
    }

    pub(super) fn throttled(&mut self, now: Moment, until: Option<Moment>, wakes: &mut Wakes) {
        self.book.throttled(now, self.id, until, wakes);
    }

    pub(super) fn reading(&mut self, now: Moment) -> Reading {
        self.book.reading(now, self.id).expect("it is there")
    }
}
