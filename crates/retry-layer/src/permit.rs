//! The gates that a replay has to pass.

use std::time::{Duration, Instant};

use crate::Stop;

/// All that the decision about a replay rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Attempts that the call may still make.
    pub(crate) attempts_left: u32,
    /// Whether repeating the request can do no harm.
    pub(crate) safe: bool,
    /// Whether there is a body for it.
    pub(crate) replayable: bool,
    /// The shortest pause that the server, or the verdict, allows.
    pub(crate) floor: Duration,
    /// The longest floor that is obeyed.
    pub(crate) longest_floor: Duration,
    /// What chance adds to the floor.
    pub(crate) jitter: Duration,
    pub(crate) deadline: Option<Instant>,
}

impl Case {
    /// When the replay may be sent, or the first gate that is shut.
    ///
    /// `withdraw` is asked last, and only when everything else agrees: a call that could not retry anyway costs others nothing.
    /// What it takes out comes along.
    pub(crate) fn permit<T>(
        &self,
        now: Instant,
        withdraw: impl FnOnce() -> Option<T>,
    ) -> Result<(Instant, T), Stop> {
        if self.attempts_left == 0 {
            return Err(Stop::Attempts);
        }
        if !self.safe {
            return Err(Stop::NotSafe);
        }
        if !self.replayable {
            return Err(Stop::Body);
        }
        if self.floor > self.longest_floor {
            return Err(Stop::Wait);
        }
        let pause = self.floor.saturating_add(self.jitter);
        let resume = now.checked_add(pause).ok_or(Stop::Wait)?;
        if self.deadline.is_some_and(|deadline| resume >= deadline) {
            return Err(Stop::Deadline);
        }
        let withdrawn = withdraw().ok_or(Stop::Budget)?;
        Ok((resume, withdrawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open() -> Case {
        Case {
            attempts_left: 2,
            safe: true,
            replayable: true,
            floor: SECOND,
            longest_floor: 60 * SECOND,
            jitter: SECOND / 2,
            deadline: None,
        }
    }

    #[test]
    fn a_replay_waits_for_the_floor_and_the_jitter() {
        let now = crate::clock::now();
        assert_eq!(
            open().permit(now, || Some(7)),
            Ok((now + SECOND * 3 / 2, 7))
        );
    }

    #[test]
    fn the_gates_are_asked_in_order_and_the_budget_last() {
        let now = crate::clock::now();
        let shut = Case {
            attempts_left: 0,
            safe: false,
            replayable: false,
            floor: 61 * SECOND,
            deadline: Some(now + SECOND),
            ..open()
        };
        let ask = |case: Case, expected: Stop| {
            let answer = case.permit::<()>(now, || unreachable!("the budget is asked last"));
            assert_eq!(answer, Err(expected));
        };
        ask(shut, Stop::Attempts);
        let shut = Case {
            attempts_left: 1,
            ..shut
        };
        ask(shut, Stop::NotSafe);
        let shut = Case { safe: true, ..shut };
        ask(shut, Stop::Body);
        let shut = Case {
            replayable: true,
            ..shut
        };
        ask(shut, Stop::Wait);
        let shut = Case {
            floor: SECOND,
            ..shut
        };
        ask(shut, Stop::Deadline);
        let shut = Case {
            deadline: None,
            ..shut
        };
        assert_eq!(shut.permit::<()>(now, || None), Err(Stop::Budget));
    }

    #[test]
    fn a_pause_must_end_before_the_deadline() {
        let now = crate::clock::now();
        let pause = SECOND * 3 / 2;
        let until = |deadline| Case {
            deadline: Some(deadline),
            ..open()
        };
        let too_early = until(now + pause).permit(now, || Some(()));
        assert_eq!(too_early, Err(Stop::Deadline));
        let later = now + pause + Duration::from_nanos(1);
        let in_time = until(later).permit(now, || Some(()));
        assert_eq!(in_time, Ok((now + pause, ())));
    }

    #[test]
    fn an_endless_wait_is_not_begun() {
        let now = crate::clock::now();
        let case = Case {
            floor: Duration::MAX,
            longest_floor: Duration::MAX,
            ..open()
        };
        assert_eq!(case.permit(now, || Some(())), Err(Stop::Wait));
    }
}
