use std::task::Waker;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::book::claims::Claims;
use crate::book::outcome::{
    Caller, Denied, Drive, Driven, Joined, Leaving, Look, Patience, Reading,
};
use crate::quota::Quota;
use crate::runtime::Runtime;

const WINDOW: Duration = Duration::from_secs(1);

/// A shared book with one window, asked by threads or, for comparison, without anything in hand.
struct Side {
    shared: Shared,
    id: Id,
    by_hand: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Admit { own: usize },
    Answer { own: usize },
    End { ending: Ending },
    Join { patience: u64 },
    Look { which: usize },
    Leave { which: usize },
    Drive,
    Pass(u64),
    Read,
    SetLimit(u32),
    Pause,
    Resume,
}

impl Side {
    fn new(limit: u32, by_hand: bool) -> Self {
        let mut book = Book::new(Moment::START);
        let quota = Quota::rolling(limit, WINDOW);
        let id = book.open(Moment::START, &quota.into());
        Self {
            shared: Shared::new(book),
            id,
            by_hand,
        }
    }

    fn admit(&self, own: usize, now: Moment) -> Result<(), Denied> {
        let mut claim = Claim::new(self.id, 1);
        let lane = Lane::Rest;
        if !self.by_hand {
            return self.shared.with(|book, wakes| {
                if book.admit_one_unseen(&mut claim, lane) {
                    return Ok(());
                }
                book.admit_one(now, &mut claim, lane, wakes)
            });
        }
        if self.shared.take_in_hand(own, claim, lane) {
            return Ok(());
        }
        if let Some(turn) = self.shared.full_until(self.id, 1, lane)
            && now < turn
        {
            self.shared.note_refusal();
            return Err(Denied::TooLate(turn));
        }
        let admitted = self
            .shared
            .admit_one(own, claim, lane, |book, mut claim, wakes| {
                let admitted = book.admit_one(now, &mut claim, lane, wakes);
                if admitted.is_err() {
                    self.shared.publish(book);
                }
                admitted.map(|()| Granted::of(&claim, book))
            });
        admitted.map(drop)
    }

    fn answer(&self, own: usize, now: Moment) {
        if self.by_hand {
            self.shared.answer_one(own, now, self.id, 1, Lane::Rest);
        } else {
            self.end(now, Ending::Answered);
        }
    }

    fn end(&self, now: Moment, ending: Ending) {
        let claim = Claim::new(self.id, 1);
        let holding = Holding {
            claims: slice::from_ref(&claim),
            lane: Lane::Rest,
            departed: None,
        };
        self.shared
            .with(|book, wakes| book.end(now, holding, ending, wakes));
    }

    fn claims(&self) -> Claims {
        Claims::one(Claim::new(self.id, 1))
    }

    fn reading(&self, now: Moment) -> Reading {
        let reading = self.shared.with(|book, _| book.reading(now, self.id));
        reading.expect("it is there")
    }

    /// What can be told apart from outside.
    fn told(&self, now: Moment) -> String {
        format!(
            "{:?} {}",
            self.reading(now),
            self.shared.with(|book, _| book.admissions())
        )
    }
}

/// One who is polled on a runtime, and whom nobody wakes.
fn caller() -> Caller<'static> {
    Caller {
        waker: Some(Waker::noop().clone()),
        runtime: &|| Some(Runtime(0)),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..64_usize;
    let own = 0..3_usize;
    prop_oneof![
        12 => own.clone().prop_map(|own| Step::Admit { own }),
        10 => own.prop_map(|own| Step::Answer { own }),
        1 => Just(Step::End { ending: Ending::NeverLeft }),
        1 => Just(Step::End { ending: Ending::Abandoned }),
        1 => (0..3000_u64).prop_map(|patience| Step::Join { patience }),
        1 => which.clone().prop_map(|which| Step::Look { which }),
        1 => which.prop_map(|which| Step::Leave { which }),
        2 => Just(Step::Drive),
        6 => (0..400_u64).prop_map(Step::Pass),
        1 => Just(Step::Read),
        1 => (1..40_u32).prop_map(Step::SetLimit),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_hand_makes_no_difference_to_anybody(
        limit in 1..60_u32,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let sides = [Side::new(limit, true), Side::new(limit, false)];
        let (mut now, mut held, mut waiting, mut driver) = (Moment::START, 0_usize, Vec::new(), None);
        for step in steps {
            match step {
                Step::Admit { own } => {
                    let [by_hand, exact] = sides.each_ref().map(|side| side.admit(own, now));
                    prop_assert_eq!(by_hand, exact);
                    held += usize::from(exact.is_ok());
                }
                Step::Answer { own } if held > 0 => {
                    held -= 1;
                    sides.iter().for_each(|side| side.answer(own, now));
                }
                Step::End { ending } if held > 0 => {
                    held -= 1;
                    sides.iter().for_each(|side| side.end(now, ending));
                }
                Step::Join { patience } => {
                    let until = now.after(Duration::from_millis(patience));
                    let [by_hand, exact] = sides.each_ref().map(|side| {
                        let patience = Patience { until, queue: 4 };
                        side.shared.with(|book, wakes| {
                            book.join(now, &mut side.claims(), Lane::Rest, patience, &mut caller(), wakes)
                        })
                    });
                    prop_assert_eq!(by_hand, exact);
                    match exact {
                        Ok(Joined::Admitted) => held += 1,
                        Ok(Joined::Waits { ticket, driven }) => {
                            waiting.push(ticket);
                            if let Driven::By(id) = driven {
                                driver = Some(id);
                            }
                        }
                        Err(_) => {}
                    }
                }
                Step::Look { which } if !waiting.is_empty() => {
                    let which = which % waiting.len();
                    let ticket = waiting[which];
                    let [by_hand, exact] = sides.each_ref().map(|side| {
                        side.shared.with(|book, wakes| {
                            book.look(now, ticket, &mut side.claims(), &mut caller(), wakes)
                        })
                    });
                    prop_assert_eq!(by_hand, exact);
                    if exact == Look::Admitted {
                        held += 1;
                    }
                    match exact {
                        Look::Admitted | Look::Never(_) => drop(waiting.remove(which)),
                        Look::Waits(Driven::By(id)) => driver = Some(id),
                        Look::Waits(_) | Look::OutOfPatience => {}
                    }
                }
                Step::Leave { which } if !waiting.is_empty() => {
                    let ticket = waiting.remove(which % waiting.len());
                    sides.iter().for_each(|side| {
                        side.shared
                            .with(|book, wakes| book.leave(now, ticket, Leaving::Cancelled, wakes));
                    });
                }
                Step::Drive => {
                    let Some(id) = driver else { continue };
                    let [by_hand, exact] = sides.each_ref().map(|side| {
                        let mut waker = Some(Waker::noop().clone());
                        side.shared.with_calmly(|book, wakes| book.drive(now, id, false, &mut waker, wakes))
                    });
                    prop_assert_eq!(by_hand, exact);
                    if exact == Drive::Over {
                        driver = None;
                    }
                }
                Step::Pass(millis) => now = now.after(Duration::from_millis(millis)),
                Step::Read => {
                    let [by_hand, exact] = sides.each_ref().map(|side| side.told(now));
                    prop_assert_eq!(by_hand, exact);
                }
                Step::SetLimit(limit) => {
                    sides.iter().for_each(|side| {
                        side.shared.with(|book, wakes| {
                            book.set_limit(now, side.id, None, limit, wakes);
                        });
                    });
                }
                Step::Pause => {
                    sides.iter().for_each(|side| {
                        side.shared.with(|book, wakes| book.pause(now, side.id, wakes));
                    });
                }
                Step::Resume => {
                    sides.iter().for_each(|side| {
                        side.shared.with(|book, wakes| book.resume(now, side.id, wakes));
                    });
                }
                Step::Answer { .. } | Step::End { .. } | Step::Look { .. } | Step::Leave { .. } => {}
            }
        }
        let [by_hand, exact] = sides.each_ref().map(|side| side.told(now));
        prop_assert_eq!(by_hand, exact);
    }
}

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

#[test]
fn a_place_that_was_answered_long_ago_frees_as_if_the_book_had_been_told_at_once() {
    let side = Side::new(100, true);
    // Its answer stays in hand; the other thread's are told, and later ones with them.
    side.admit(0, at(0)).expect("a place");
    side.answer(0, at(10));
    for step in 0..200 {
        side.admit(1, at(20 + step)).expect("a place");
        side.answer(1, at(20 + step));
        if step == 90 {
            let [first, second] = [at(1019), at(1020)].map(|now| side.reading(now).closing);
            assert_eq!(
                (first, second),
                (92, 91),
                "the first was answered at 10, and the margin is 10"
            );
            return;
        }
    }
}

#[test]
fn of_few_free_places_none_is_in_hand() {
    let side = Side::new(8, true);
    side.admit(0, at(0)).expect("a place");
    assert_eq!(lock(&side.shared.book.0).lent, 0);
    let side = Side::new(100, true);
    side.admit(0, at(0)).expect("a place");
    assert_eq!(lock(&side.shared.book.0).lent, 1);
    assert_eq!(spin(&side.shared.purses[0].0).free, 99 / 8);
}

#[test]
fn until_a_place_frees_who_cannot_wait_is_turned_away_without_the_lock_and_counted() {
    let side = Side::new(3, true);
    for _ in 0..3 {
        side.admit(0, at(0)).expect("a place");
    }
    side.answer(0, at(10));
    let turn = at(1020);
    assert_eq!(side.admit(1, at(20)), Err(Denied::TooLate(turn)));
    assert_eq!(side.admit(1, at(1019)), Err(Denied::TooLate(turn)));
    let without_the_book = side.shared.refused.load(Ordering::Relaxed);
    assert_eq!(without_the_book, 1);
    assert_eq!(side.reading(at(30)).tally.refused, 2);
    side.admit(1, at(1020)).expect("a place");
}

#[test]
fn one_that_goes_first_finds_nothing_in_hand_and_nothing_is_lost_to_it() {
    let side = Side::new(100, true);
    side.admit(0, at(0)).expect("a place");
    side.answer(0, at(10));
    side.admit(0, at(20)).expect("a place that was in hand");
    // From then on the window is not a plain one.
    let refused = |_: &mut Book, _, _: &mut _| Err::<Granted, ()>(());
    let claim = Claim::new(side.id, 1);
    let first = side.shared.admit_one(1, claim, Lane::First, refused);
    assert!(first.is_ok());
    let reading = side.reading(at(30));
    assert_eq!((reading.in_flight, reading.closing), (2, 1));
}
