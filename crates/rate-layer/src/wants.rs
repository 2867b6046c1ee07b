//! What one request wants of the windows.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::book::Book;
use crate::book::claims::Claims;
use crate::book::limiters::Id;
use crate::book::outcome::Denied;
use crate::book::waiter::Claim;
use crate::domain::Domain;
use crate::error::RateError;
use crate::head::RequestHead;
use crate::keyed::Key;
use crate::lane::Lane;
use crate::limits::Limit;
use crate::moment::Moment;
use crate::quota::Quotas;
use crate::rule::Rule;
use crate::window::Name;

/// What one request wants of the windows, all or nothing.
pub(crate) struct Wants<'a> {
    pub(crate) domain: &'a Arc<Domain>,
    pub(crate) lane: Lane,
    claims: Claims,
    /// Of windows that are found, or made, once the lock is held.
    keyed: SmallVec<[(u32, Key<'a>, Claim); 1]>,
    /// The limits that hold, for how long they may keep it waiting.
    quotas: SmallVec<[&'a Quotas; 2]>,
}

impl<'a> Wants<'a> {
    /// What a request wants by `rules`; nothing where none of them counts it.
    pub(crate) fn of(
        rules: &'a [Rule],
        head: &RequestHead<'a>,
        lane: Lane,
    ) -> Result<Option<Self>, RateError> {
        let mut wants: Option<Self> = None;
        for (number, rule) in (0..).zip(rules) {
            let limit = rule.limits.of_all();
            let limit = limit.unwrap_or_else(|| rule.limits.of(head.slot()));
            let domain = match limit {
                Limit::Refused => return Err(RateError::no_window(head.slot().cloned())),
                limit => limit.domain(),
            };
            let (Some(domain), Some(quotas)) = (domain, limit.quotas()) else {
                continue;
            };
            let cost = rule.cost_of(head);
            if cost == 0 {
                continue;
            }
            let wants = wants.get_or_insert_with(|| Self {
                domain,
                lane,
                claims: Claims::new(),
                keyed: SmallVec::new(),
                quotas: SmallVec::new(),
            });
            wants.quotas.push(quotas);
            wants.add(limit, head, number, cost)?;
        }
        Ok(wants)
    }

    fn add(
        &mut self,
        limit: &'a Limit,
        head: &RequestHead<'a>,
        rule: u8,
        cost: u32,
    ) -> Result<(), RateError> {
        match limit {
            Limit::Window(window) => match window.name() {
                Name::Id(id) => {
                    let claim = Claim::new(*id, cost);
                    self.claims.add(Claim { rule, ..claim });
                }
                Name::Key(group, key) => {
                    let claim = Claim::new(Id::NONE, cost);
                    let claim = Claim { rule, ..claim };
                    self.keyed.push((*group, Key::from(&key[..]), claim));
                }
            },
            Limit::Keyed(keyed) => {
                let (Some(windows), Some(key)) = (keyed.windows(), keyed.key_of(head)) else {
                    return Err(RateError::no_key());
                };
                let claim = Claim::new(Id::NONE, cost);
                let claim = Claim { rule, ..claim };
                self.keyed.push((windows.group(), key, claim));
            }
            Limit::Quotas(_) | Limit::Unlimited | Limit::Refused => {}
        }
        Ok(())
    }

    /// Names the windows, making those that are not there yet.
    pub(crate) fn claims(&mut self, book: &mut Book, now: Moment) -> Result<&mut Claims, Denied> {
        for (group, key, claim) in self.keyed.drain(..) {
            let id = book.window_of(now, group, key.as_bytes(), &self.claims)?;
            self.claims.add(Claim { id, ..claim });
        }
        Ok(&mut self.claims)
    }

    /// Whether no key has to be looked up.
    pub(crate) fn are_named(&self) -> bool {
        self.keyed.is_empty()
    }

    /// The claims, as far as they are named.
    pub(crate) fn named(&mut self) -> &mut Claims {
        &mut self.claims
    }

    pub(crate) fn into_claims(self) -> Claims {
        self.claims
    }

    /// Long enough to be third in a place of each limit.
    pub(crate) fn two_turns(&self) -> Duration {
        let turns = self.quotas.iter().map(|quotas| quotas.two_turns());
        turns.max().unwrap_or_default()
    }

    /// The highest of the costs; of those that want the same window, their sum, once it is named.
    pub(crate) fn cost(&self) -> u32 {
        let named = self.claims.iter();
        let keyed = self.keyed.iter().map(|(_, _, claim)| claim);
        named
            .chain(keyed)
            .map(|claim| claim.cost)
            .max()
            .unwrap_or(0)
    }
}
