//! A book at hand: windows by number, requests of one kind or another, and who has been called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::book::claims::Claims;
use crate::book::drivers::DriverId;
use crate::book::limiters::Id;
use crate::book::outcome::{
    Caller, Denied, Drive, Driven, Joined, Leaving, Look, Patience, Reading, Tally,
};
use crate::book::waiter::{Claim, Ticket, Wakes};
use crate::book::{Answer, Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::Quotas;
use crate::runtime::Runtime;
use crate::server::{Stated, Statements};
use crate::shape::rolling::{Correction, Ending};

pub(super) fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

pub(super) const FOREVER: Patience = Patience {
    until: Moment::NEVER,
    queue: usize::MAX,
};

/// Whether somebody has been called.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    /// Whether it has been called since this was last asked.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One who is polled on the first runtime, and woken by `waker`.
pub(super) fn caller(waker: Waker) -> Caller<'static> {
    Caller {
        waker: Some(waker),
        runtime: &|| Some(Runtime(0)),
    }
}

/// What one sees that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Admitted,
    /// It waits, and this is when something may happen next in a line.
    Until(Moment),
    Never(u32),
    OutOfPatience,
}

/// One who waits, and whether it has been called.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    /// When something might happen next in a line as it joined.
    pub(super) event: Moment,
    pub(super) claims: Claims,
    pub(super) called: Arc<Flag>,
}

/// A book with its windows.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) book: Book,
    pub(super) windows: Vec<Id>,
    /// The last one to be started.
    driver: Option<DriverId>,
    /// Whether it has been called.
    driver_called: Arc<Flag>,
}

impl Desk {
    pub(super) fn new<Q: Into<Quotas>>(quotas: impl IntoIterator<Item = Q>) -> Self {
        let mut book = Book::new(at(0));
        let quotas = quotas.into_iter();
        let windows = quotas.map(|quotas| book.open(at(0), &quotas.into()));
        let windows = windows.collect();
        Self {
            book,
            windows,
            driver: None,
            driver_called: Arc::default(),
        }
    }

    /// What a request wants: costs, by the number of the window.
    pub(super) fn claims(&self, wants: &[(usize, u32)]) -> Claims {
        let claims = wants.iter();
        let claim = |&(window, cost): &(usize, u32)| Claim::new(self.windows[window], cost);
        claims.map(claim).collect()
    }

    /// Does something to the book, and calls whom it says.
    pub(super) fn act<T>(&mut self, act: impl FnOnce(&mut Book, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = act(&mut self.book, &mut wakes);
        wakes.fire();
        result
    }

    pub(super) fn try_admit(
        &mut self,
        now: u64,
        lane: Lane,
        wants: &[(usize, u32)],
    ) -> Result<Claims, Denied> {
        let mut claims = self.claims(wants);
        self.act(|book, wakes| book.admit(at(now), &mut claims, lane, wakes))?;
        Ok(claims)
    }

    pub(super) fn admit(&mut self, now: u64, lane: Lane, wants: &[(usize, u32)]) -> Claims {
        let admitted = self.try_admit(now, lane, wants);
        admitted.unwrap_or_else(|denied| panic!("{denied:?}"))
    }

    pub(super) fn try_join(
        &mut self,
        now: u64,
        lane: Lane,
        wants: &[(usize, u32)],
        patience: Patience,
    ) -> Result<Option<Waiting>, Denied> {
        let (mut claims, called) = (self.claims(wants), Arc::<Flag>::default());
        let waker = Waker::from(Arc::clone(&called));
        let joined = self.act(|book, wakes| {
            book.join(
                at(now),
                &mut claims,
                lane,
                patience,
                &mut caller(waker),
                wakes,
            )
        })?;
        Ok(match joined {
            Joined::Admitted => None,
            Joined::Waits { ticket, driven } => {
                let event = self.book.agenda.next();
                self.start(now, driven);
                Some(Waiting {
                    ticket,
                    event,
                    claims,
                    called,
                })
            }
        })
    }

    /// Stands in line.
    pub(super) fn join(&mut self, now: u64, lane: Lane, wants: &[(usize, u32)]) -> Waiting {
        let joined = self.try_join(now, lane, wants, FOREVER);
        joined.expect("it may wait").expect("it must wait")
    }

    pub(super) fn look(&mut self, now: u64, waiting: &Waiting) -> Seen {
        let mut caller = caller(Waker::from(Arc::clone(&waiting.called)));
        let (ticket, mut claims) = (waiting.ticket, waiting.claims.clone());
        let look =
            self.act(|book, wakes| book.look(at(now), ticket, &mut claims, &mut caller, wakes));
        match look {
            Look::Admitted => Seen::Admitted,
            Look::Never(most) => Seen::Never(most),
            Look::OutOfPatience => Seen::OutOfPatience,
            Look::Waits(driven) => {
                self.start(now, driven);
                Seen::Until(self.book.agenda.next())
            }
        }
    }

    /// Starts the driver that is to be started, which looks at once.
    fn start(&mut self, now: u64, driven: Driven) {
        if let Driven::By(driver) = driven {
            self.driver = Some(driver);
            self.drive(now);
        }
    }

    /// Has the driver look. Says when it looks again; `None` if it ends.
    pub(super) fn drive(&mut self, now: u64) -> Option<Moment> {
        let driver = self.driver.expect("somebody has waited");
        let mut waker = Some(Waker::from(Arc::clone(&self.driver_called)));
        let drive = self.act(|book, wakes| book.drive(at(now), driver, false, &mut waker, wakes));
        match drive {
            Drive::At(next) => Some(next),
            Drive::Over => None,
            Drive::Soon => panic!("it is not patient"),
        }
    }

    /// Whether the driver has been called since this was last asked.
    pub(super) fn driver_is_called(&self) -> bool {
        self.driver_called.take()
    }

    pub(super) fn leave(&mut self, now: u64, waiting: &Waiting) {
        self.act(|book, wakes| book.leave(at(now), waiting.ticket, Leaving::Cancelled, wakes));
    }

    pub(super) fn end(&mut self, now: u64, lane: Lane, claims: &[Claim], ending: Ending) {
        let holding = Holding {
            claims,
            lane,
            departed: None,
        };
        self.act(|book, wakes| book.end(at(now), holding, ending, wakes));
    }

    /// Has a request of the rest depart at one time and end at another.
    pub(super) fn depart_and_end(&mut self, times: [u64; 2], claims: &[Claim], ending: Ending) {
        let departed = self.act(|book, _| book.depart(at(times[0]), claims, Lane::Rest));
        let holding = Holding {
            claims,
            lane: Lane::Rest,
            departed: Some(departed),
        };
        self.act(|book, wakes| book.end(at(times[1]), holding, ending, wakes));
    }

    /// Headers have come that state something.
    pub(super) fn answer(
        &mut self,
        now: u64,
        claims: &[Claim],
        stated: &[Stated],
        success: bool,
        admission: u64,
    ) {
        self.answer_in(now, Lane::Rest, claims, stated, success, admission);
    }

    /// Headers have come to a request of a lane.
    pub(super) fn answer_in(
        &mut self,
        now: u64,
        lane: Lane,
        claims: &[Claim],
        stated: &[Stated],
        success: bool,
        admission: u64,
    ) {
        let mut statements = Statements::new();
        for &stated in stated {
            statements.push(stated);
        }
        let stated = [(0, statements)];
        let answer = Answer {
            stated: &stated,
            date: None,
            success,
            admission,
            shares: &[],
        };
        let holding = Holding {
            claims,
            lane,
            departed: None,
        };
        self.act(|book, wakes| book.answered(at(now), holding, &answer, wakes));
    }

    /// What was answered at `answered` has cost something else.
    pub(super) fn correct(&mut self, now: u64, claim: Claim, cost: u32, answered: u64) {
        let by = Correction {
            lane: Lane::Rest,
            before: claim.cost,
            cost,
            departed: None,
            answered: at(answered),
        };
        self.act(|book, wakes| book.correct(at(now), claim, by, wakes));
    }

    pub(super) fn reading(&mut self, now: u64, window: usize) -> Reading {
        let reading = self.book.reading(at(now), self.windows[window]);
        reading.expect("it is there")
    }

    /// The places taken: in flight, and closing.
    pub(super) fn taken(&mut self, now: u64, window: usize) -> (u32, u32) {
        let reading = self.reading(now, window);
        (reading.in_flight, reading.closing)
    }

    /// Admits a request, or says when its turn is.
    pub(super) fn admit_or_turn(&mut self, now: u64, cost: u32) -> Result<Claims, Moment> {
        match self.try_admit(now, Lane::Rest, &[(0, cost)]) {
            Ok(claims) => Ok(claims),
            Err(Denied::TooLate(turn)) => Err(turn),
            Err(denied) => panic!("{denied:?}"),
        }
    }

    pub(super) fn reading_tally(&mut self, id: Id) -> Tally {
        let reading = self.book.reading(at(0), id);
        reading.expect("it is there").tally
    }
}
