//! What threads have in hand of a plain window, so that they need not ask for each request.
//!
//! Nothing is in hand while anybody waits, or while anything but a lack of places may keep requests waiting: whatever brings
//! that about settles all purses first.

use crate::book::Book;
use crate::book::limiters::Id;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::purse::{MOST, Purse};

/// At the most this part of the places that are free goes into one purse.
const PART: u32 = 8;

impl Book {
    /// Hands out some places of the first window, to be taken by requests of the rest that cost one each. Says how many: none
    /// where it is not a plain one, or few are left.
    pub(crate) fn lend(&mut self) -> u32 {
        let Some(limiter) = self.limiters.at_mut(Id::FIRST) else {
            return 0;
        };
        // The windows of keys come and go.
        if limiter.key.is_some() {
            return 0;
        }
        let terms = &self.groups[limiter.group as usize].terms;
        let Some((_, window)) = limiter.plain_mut(terms, Lane::Rest) else {
            return 0;
        };
        let lot = (window.room() / PART).min(MOST as u32);
        if window.take_plainly(lot) { lot } else { 0 }
    }

    /// Until when all places of the first window are taken, where it is a plain one for which nobody waits, and where that is what one
    /// is told who asks for a place until then, whatever is answered meanwhile.
    pub(crate) fn full_until(&mut self) -> Option<Moment> {
        let limiter = self.limiters.at_mut(Id::FIRST)?;
        let terms = &self.groups[limiter.group as usize].terms;
        let is_of_a_key = limiter.key.is_some();
        let (terms, window) = limiter.plain_mut(terms, Lane::Rest)?;
        window.full_until(terms).filter(|_| !is_of_a_key)
    }

    /// Counts requests for the first window that were turned away without the book.
    pub(crate) fn count_refused(&mut self, refused: u64) {
        if let Some(limiter) = self.limiters.at_mut(Id::FIRST) {
            self.groups[limiter.group as usize].tally.refused += refused;
        }
    }

    /// Takes back what is in a purse, and notes what was answered; closes it.
    pub(crate) fn settle(&mut self, purse: &mut Purse) {
        if let Some(limiter) = self.limiters.at_mut(Id::FIRST) {
            let group = &mut self.groups[limiter.group as usize];
            group.tally.admitted += u64::from(purse.taken);
            self.admissions += u64::from(purse.taken);
            let plain = limiter.tiers.plain_mut(&group.terms);
            debug_assert!(
                plain.is_some(),
                "settled before it was no plain window any more"
            );
            if let Some((terms, window)) = plain {
                window.put_back_plainly(purse.free);
                window.answered_earlier(terms, purse.answered());
            }
        }
        purse.clear();
    }
}
