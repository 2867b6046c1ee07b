//! Requests and their callers: from arrival to the end.

use std::sync::Arc;
use std::task::Waker;

use super::super::desk::{Flag, at};
use super::plan::Plan;
use super::{World, rounded};
use crate::book::Holding;
use crate::book::claims::Claims;
use crate::book::outcome::{Caller, Denied, Joined, Leaving, Look, Patience};
use crate::book::waiter::{Ticket, Wakes};
use crate::moment::Moment;
use crate::runtime::Runtime;
use crate::shape::rolling::{Correction, Ending};

#[derive(Debug)]
pub(super) enum Stage {
    Ahead,
    Waits {
        ticket: Ticket,
        since: u64,
        /// Since when it stands in all its lines.
        aged: Option<u64>,
        /// How long it may wait at most, as it has joined and as it has aged.
        bounds: [u64; 2],
    },
    Admitted {
        at: u64,
    },
    Departed {
        at: u64,
        departed: Option<Moment>,
        ends: u64,
    },
    Over {
        admitted: Option<u64>,
        refused: bool,
    },
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) plan: Plan,
    pub(super) stage: Stage,
    pub(super) claims: Claims,
    pub(super) called: Arc<Flag>,
}

impl World {
    pub(super) fn act(&mut self, number: usize) -> bool {
        let now = self.now;
        let mut wakes = Wakes::default();
        let call = &mut self.calls[number];
        let runtime = call.plan.runtime;
        let mut caller = Caller {
            waker: Some(Waker::from(Arc::clone(&call.called))),
            runtime: &|| Some(Runtime(runtime)),
        };
        let mut driven = None;
        let (plan, claims) = (&call.plan, &mut call.claims);
        let lane = plan.lane;
        let next = match call.stage {
            Stage::Ahead if plan.arrives <= now => {
                self.polls += 1;
                let patience = Patience {
                    until: plan.until(),
                    queue: usize::MAX,
                };
                let joined =
                    self.book
                        .join(at(now), claims, lane, patience, &mut caller, &mut wakes);
                match joined {
                    Ok(Joined::Admitted) => Stage::Admitted { at: now },
                    Ok(Joined::Waits { ticket, driven: by }) => {
                        driven = Some(by);
                        Stage::Waits {
                            ticket,
                            since: now,
                            aged: None,
                            bounds: [u64::MAX; 2],
                        }
                    }
                    Err(Denied::TooLate(turn)) => {
                        assert!(turn > plan.until());
                        Stage::Over {
                            admitted: None,
                            refused: false,
                        }
                    }
                    Err(Denied::Never(most)) => {
                        let lacks = |(window, cost): (usize, u32)| {
                            cost > self.naive.windows[window].most(lane)
                        };
                        assert!(plan.by_window().into_iter().any(lacks), "{most}");
                        Stage::Over {
                            admitted: None,
                            refused: true,
                        }
                    }
                    Err(denied) => panic!("{denied:?}"),
                }
            }
            Stage::Waits { ticket, .. } if plan.cancelled.is_some_and(|by| by <= now) => {
                self.book
                    .leave(at(now), ticket, Leaving::Cancelled, &mut wakes);
                Stage::Over {
                    admitted: None,
                    refused: false,
                }
            }
            Stage::Waits {
                ticket,
                since,
                aged,
                bounds,
            } if !plan.sleeps && (call.called.take() || self.stir && plan.restless) => {
                self.polls += 1;
                assert!(self.polls < 20_000, "they look again and again at {now}");
                match self
                    .book
                    .look(at(now), ticket, claims, &mut caller, &mut wakes)
                {
                    Look::Admitted => {
                        self.waited.push(number);
                        if self.bounded {
                            let [joined, old] = bounds;
                            assert!(now - since <= joined, "{number}: {joined} since {since}");
                            let waited = aged.map_or(0, |aged| now - aged);
                            assert!(waited <= old, "{number}: {old} since {aged:?}");
                        }
                        Stage::Admitted { at: now }
                    }
                    Look::Never(_) => Stage::Over {
                        admitted: None,
                        refused: true,
                    },
                    Look::OutOfPatience => {
                        assert_eq!(rounded(plan.until()), Some(now), "{number} leaves");
                        self.book
                            .leave(at(now), ticket, Leaving::OutOfPatience, &mut wakes);
                        Stage::Over {
                            admitted: None,
                            refused: false,
                        }
                    }
                    Look::Waits(by) => {
                        driven = Some(by);
                        Stage::Waits {
                            ticket,
                            since,
                            aged,
                            bounds,
                        }
                    }
                }
            }
            Stage::Admitted { at: admitted } if admitted + plan.lingers <= now => {
                let counts = claims.iter().any(|claim| claim.counts_departure);
                let departed = counts.then(|| self.book.depart(at(now), claims, lane));
                self.naive.departed(now, number);
                Stage::Departed {
                    at: admitted,
                    departed,
                    ends: now + plan.latency,
                }
            }
            Stage::Departed {
                at: admitted,
                departed,
                ends,
            } if ends <= now => {
                let holding = Holding {
                    claims,
                    lane,
                    departed,
                };
                self.naive.ended(now, number, plan.ending);
                self.book.end(at(now), holding, plan.ending, &mut wakes);
                if plan.ending == Ending::Answered {
                    self.naive.corrected(now, number, &plan.costs);
                    let told = |rule| *plan.costs.get(usize::from(rule))?;
                    for claim in claims.clone().iter() {
                        let Some(cost) = claims.restate(claim, told) else {
                            continue;
                        };
                        let by = Correction {
                            lane,
                            before: claim.cost,
                            cost,
                            departed,
                            answered: at(now),
                        };
                        self.book.correct(at(now), *claim, by, &mut wakes);
                    }
                }
                Stage::Over {
                    admitted: Some(admitted),
                    refused: false,
                }
            }
            _ => return false,
        };
        match &next {
            Stage::Admitted { .. } => {
                let plan = &self.calls[number].plan;
                self.naive.admitted(now, number, lane, &plan.wants);
            }
            Stage::Over {
                admitted: None,
                refused: true,
            } => {
                let mut wants = self.calls[number].plan.by_window().into_iter();
                let lacks =
                    |(window, cost): (usize, u32)| cost > self.naive.windows[window].most(lane);
                assert!(wants.any(lacks), "{number} could be served");
            }
            _ => {}
        }
        self.calls[number].stage = next;
        wakes.fire();
        if let Some(driven) = driven {
            self.start(runtime, driven);
        }
        true
    }
}
