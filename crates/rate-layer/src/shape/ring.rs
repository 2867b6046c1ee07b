//! The places that will free by themselves, in the order in which they do: three bytes each.
//!
//! A program may keep a window for each of many thousands of keys, with a hundred places in each. So a place is not a
//! time of eight bytes, but its distance from the first one, counted in *ticks*, modulo 2²⁴. A tick is chosen so that all
//! distances fit ([`tick_for`]): 10 µs for a minute's window, and times are rounded up to it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::moment::Moment;

/// How finely a ring tells moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    nanos: u64,
    /// 2⁶⁴ divided by it, rounded down: to multiply is several times as fast as to divide.
    reciprocal: u64,
}

/// How many bits a place's time has.
const BITS: u32 = 24;
const MASK: u64 = (1 << BITS) - 1;

/// The shortest round length, in nanoseconds, in which any time up to `horizon` ahead can be told.
pub(crate) fn tick_for(horizon: Duration) -> Tick {
    // One tick is lost to rounding, and one more keeps the first from looking like the last.
    let least = horizon.as_nanos().div_ceil(u128::from(MASK) - 2);
    let least = u64::try_from(least).unwrap_or(u64::MAX / 10);
    let mut tick = 1;
    // 1, 2, 5, 10, …: round for people, whose windows are round.
    for step in [2, 5, 10].iter().cycle() {
        if tick >= least {
            break;
        }
        tick = match step {
            5 => tick / 2 * 5,
            _ => tick * 2,
        };
    }
    Tick::of(tick)
}

impl Tick {
    const fn of(nanos: u64) -> Self {
        Self {
            nanos,
            reciprocal: u64::MAX / nanos,
        }
    }

    /// The first tick that is not before `moment`.
    #[inline]
    fn not_before(self, moment: Moment) -> u64 {
        let (ticks, rest) = self.split(moment);
        ticks + u64::from(rest > 0)
    }

    /// The last tick that is not after `moment`.
    #[inline]
    fn not_after(self, moment: Moment) -> u64 {
        self.split(moment).0
    }

    /// How many ticks lie before `moment`, and how many nanoseconds are left.
    #[inline]
    fn split(self, moment: Moment) -> (u64, u64) {
        let nanos = moment.as_nanos();
        let product = u128::from(nanos) * u128::from(self.reciprocal);
        // Too low by a little, for what the reciprocal was rounded by.
        let mut ticks = (product >> 64) as u64;
        let mut rest = nanos - ticks * self.nanos;
        while rest >= self.nanos {
            rest -= self.nanos;
            ticks += 1;
        }
        (ticks, rest)
    }

    #[inline]
    fn moment(self, ticks: u64) -> Moment {
        Moment::from_nanos(ticks.saturating_mul(self.nanos))
    }
}

/// Closing places, by the tick at which they free.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// Each one's tick, modulo 2²⁴, earliest first. No two are equal where `places` is used.
    ticks: VecDeque<[u8; 3]>,
    /// The whole ticks of the first and of the last; without meaning where there is none.
    first: u64,
    last: u64,
    /// How many places each has; nothing as long as each has one.
    #[expect(clippy::box_collection, reason = "most rings have none, and are small")]
    places: Option<Box<VecDeque<u32>>>,
    total: u32,
}

impl Ring {
    /// How many places close.
    #[inline]
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// Adds `places` that free at `at`. Nothing in the ring may be due by now, and `at` not too far ahead.
    ///
    /// `room` is how many entries the ring is expected to have at most: it never allocates for more before it has to.
    #[inline]
    pub(crate) fn close(&mut self, at: Moment, places: u32, tick: Tick, room: u32) {
        let at = tick.not_before(at);
        // The common case: one place, which frees after all others.
        if places == 1 && self.places.is_none() && self.ticks.len() < self.ticks.capacity() {
            if self.ticks.is_empty() {
                self.first = at;
                self.last = at;
            }
            if at >= self.last {
                self.ticks.push_back(low_bits(at));
                self.last = at;
                self.total += 1;
                return;
            }
        }
        self.close_at(at, places, room);
    }

    #[inline(never)]
    fn close_at(&mut self, at: u64, places: u32, room: u32) {
        // What nobody can count to is no cost of a request.
        let places = places.min(u32::MAX - self.total);
        if places == 0 {
            return;
        }
        // Most come in order. Abandoned ones free later than those answered after them.
        let index = if self.ticks.is_empty() || self.last <= at {
            self.ticks.len()
        } else {
            self.partition_point(|other| other <= at)
        };
        let same = index.checked_sub(1).filter(|&i| self.get(i) == Some(at));
        self.total += places;
        if let (Some(same), Some(counts)) = (same, &mut self.places) {
            counts[same] += places;
            return;
        }
        if places > 1 && self.places.is_none() {
            self.places = Some(Box::new(self.ticks.iter().map(|_| 1).collect()));
        }
        self.grow(room);
        if index == self.ticks.len() {
            self.ticks.push_back(low_bits(at));
        } else {
            self.ticks.insert(index, low_bits(at));
        }
        if let Some(counts) = &mut self.places {
            counts.insert(index, places);
        }
        if index == 0 {
            self.first = at;
        }
        if index + 1 == self.ticks.len() {
            self.last = at;
        }
    }

    /// Frees up to `places` of those that free at `at`, or else of those before it. Says how many.
    ///
    /// Those before free sooner: to give up one of them is to give up less.
    pub(crate) fn reopen(&mut self, at: Moment, places: u32, tick: Tick) -> u32 {
        let at = tick.not_before(at);
        let mut left = places;
        while left > 0 {
            let Some(index) = self.partition_point(|other| other <= at).checked_sub(1) else {
                break;
            };
            let here = self.places_at(index).min(left);
            left -= here;
            self.total -= here;
            match &mut self.places {
                Some(counts) if counts[index] > here => counts[index] -= here,
                _ => self.remove(index),
            }
        }
        places - left
    }

    /// When the first frees.
    #[inline]
    pub(crate) fn next(&self, tick: Tick) -> Option<Moment> {
        (!self.ticks.is_empty()).then(|| tick.moment(self.first))
    }

    /// Drops what is due at `now`. Says how many places that frees.
    #[inline]
    pub(crate) fn expire(&mut self, now: Moment, tick: Tick) -> u32 {
        if self.next(tick).is_none_or(|at| at > now) {
            return 0;
        }
        self.expire_some(now, tick)
    }

    /// The same where the first is due.
    fn expire_some(&mut self, now: Moment, tick: Tick) -> u32 {
        let due = self.due(tick.not_after(now) - self.first);
        if let Some(next) = self.get(due) {
            self.first = next;
        }
        if due == 1 {
            self.ticks.pop_front();
        } else {
            self.ticks.drain(..due);
        }
        let freed = match &mut self.places {
            None => due as u32,
            Some(counts) => counts.drain(..due).sum(),
        };
        self.total -= freed;
        freed
    }

    /// How many entries lie at most this many ticks behind the first.
    fn due(&self, distance: u64) -> usize {
        // A distance that no entry has all entries have.
        let distance = distance.min(MASK) as u32;
        let first = self.first as u32;
        let is_due = |entry: &&[u8; 3]| {
            let [low, middle, high] = **entry;
            let bits = u32::from_le_bytes([low, middle, high, 0]);
            bits.wrapping_sub(first) & (MASK as u32) <= distance
        };
        self.ticks.iter().take_while(is_due).count()
    }

    /// When the place behind the `n` that free first frees.
    #[inline]
    pub(crate) fn nth(&self, n: u64, tick: Tick) -> Option<Moment> {
        let index = match &self.places {
            // One place each: no need to add up.
            None => usize::try_from(n).ok()?,
            Some(counts) => entry_of(counts, n)?,
        };
        self.get(index).map(|at| tick.moment(at))
    }

    /// When places free, and how many, earliest first.
    pub(crate) fn iter(&self, tick: Tick) -> impl Iterator<Item = (Moment, u32)> + '_ {
        (0..self.ticks.len())
            .filter_map(move |index| Some((tick.moment(self.get(index)?), self.places_at(index))))
    }

    #[inline]
    fn get(&self, index: usize) -> Option<u64> {
        let [low, middle, high] = *self.ticks.get(index)?;
        let bits = u64::from(u32::from_le_bytes([low, middle, high, 0]));
        Some(self.first + (bits.wrapping_sub(self.first) & MASK))
    }

    #[inline]
    fn places_at(&self, index: usize) -> u32 {
        self.places.as_ref().map_or(1, |counts| counts[index])
    }

    fn partition_point(&self, before: impl Fn(u64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.ticks.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn remove(&mut self, index: usize) {
        if index == 0
            && let Some(second) = self.get(1)
        {
            self.ticks.pop_front();
            self.first = second;
        } else {
            self.ticks.remove(index);
            if let Some(last) = self.ticks.len().checked_sub(1).and_then(|i| self.get(i)) {
                self.last = last;
            }
        }
        if let Some(counts) = &mut self.places {
            counts.remove(index);
        }
    }

    /// Makes room for one more, in steps that double, but for the last one.
    fn grow(&mut self, room: u32) {
        let length = self.ticks.len();
        if length < self.ticks.capacity() {
            return;
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let wanted = if length < room {
            (2 * length).clamp(4, room.max(4))
        } else {
            2 * length.max(2)
        };
        self.ticks.reserve_exact(wanted - length);
    }
}

/// Which of the entries the place behind the first `n` belongs to.
#[inline(never)]
fn entry_of(counts: &VecDeque<u32>, n: u64) -> Option<usize> {
    let mut passed = 0;
    counts.iter().position(|&count| {
        passed += u64::from(count);
        passed > n
    })
}

#[inline]
fn low_bits(at: u64) -> [u8; 3] {
    let [low, middle, high, ..] = at.to_le_bytes();
    [low, middle, high]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Tick = Tick::of(1_000);

    fn at(ticks: u64) -> Moment {
        TICK.moment(ticks)
    }

    #[test]
    fn a_tick_is_round_and_short_enough_to_tell_all_times_apart() {
        for (horizon, tick) in [
            (Duration::from_millis(1), 1),
            (Duration::from_millis(1_010), 100),
            (Duration::from_millis(11_010), 1_000),
            (Duration::from_secs(70), 5_000),
            (Duration::from_secs(86_400 + 10), 10_000_000),
        ] {
            let found = tick_for(horizon);
            assert_eq!(found, Tick::of(tick), "{horizon:?}");
            assert!(horizon.as_nanos() / u128::from(found.nanos) < u128::from(MASK) - 1);
        }
        assert!(tick_for(Duration::MAX).nanos > 0);
    }

    #[test]
    fn times_are_rounded_up_to_the_tick() {
        let mut ring = Ring::default();
        ring.close(Moment::from_nanos(1_001), 1, TICK, 8);
        assert_eq!(ring.next(TICK), Some(Moment::from_nanos(2_000)));
        assert_eq!(ring.expire(Moment::from_nanos(1_999), TICK), 0);
        assert_eq!(ring.expire(Moment::from_nanos(2_000), TICK), 1);
    }

    #[test]
    fn it_allocates_for_as_many_as_it_is_expected_to_have() {
        let mut ring = Ring::default();
        for place in 0..100 {
            ring.close(at(place), 1, TICK, 100);
        }
        assert_eq!(ring.ticks.capacity(), 100);
        ring.close(at(100), 1, TICK, 100);
        assert!(ring.ticks.capacity() > 100, "and goes on all the same");
    }

    /// A list of every place.
    fn model_nth(model: &[u64], n: usize) -> Option<Moment> {
        model.get(n).map(|&ticks| at(ticks))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Close { ahead: u64, places: u32 },
        Reopen { which: usize, places: u32 },
        Pass(u64),
    }

    fn step(many: bool) -> impl Strategy<Value = Step> {
        let places = if many { 1_u32..5 } else { 1_u32..2 };
        let ahead = prop_oneof![1_u64..50, (MASK - 60)..(MASK - 2)];
        let pass = prop_oneof![0_u64..20, 1_000_000..MASK];
        prop_oneof![
            4 => (ahead, places.clone()).prop_map(|(ahead, places)| Step::Close { ahead, places }),
            1 => (0_usize..20, places).prop_map(|(which, places)| Step::Reopen { which, places }),
            2 => pass.prop_map(Step::Pass),
        ]
    }

    fn play(steps: Vec<Step>) {
        let (mut ring, mut model, mut now) = (Ring::default(), Vec::<u64>::new(), 0_u64);
        for step in steps {
            match step {
                Step::Close { ahead, places } => {
                    ring.close(at(now + ahead), places, TICK, 8);
                    model.extend(vec![now + ahead; places as usize]);
                    model.sort_unstable();
                }
                Step::Reopen { which, places } => {
                    let Some(&time) = model.get(which) else {
                        continue;
                    };
                    let freed = ring.reopen(at(time), places, TICK);
                    for _ in 0..freed {
                        let last = model.partition_point(|&other| other <= time) - 1;
                        model.remove(last);
                    }
                    assert!(freed == places || model.partition_point(|&t| t <= time) == 0);
                }
                Step::Pass(ticks) => {
                    now += ticks;
                    let due = model.partition_point(|&time| time <= now);
                    model.drain(..due);
                    assert_eq!(ring.expire(at(now), TICK) as usize, due);
                }
            }
            assert_eq!(ring.total() as usize, model.len());
            for n in 0..=model.len() {
                assert_eq!(ring.nth(n as u64, TICK), model_nth(&model, n), "{n}");
            }
            let all: Vec<_> = ring
                .iter(TICK)
                .flat_map(|(at, places)| vec![at; places as usize])
                .collect();
            assert_eq!(all, model.iter().map(|&t| at(t)).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_told_by_the_next_tick(nanos in any::<u64>(), tick in 0..12_u32, by in prop::sample::select(vec![1, 2, 5])) {
            let tick = by * 10_u64.pow(tick);
            let expected = nanos.div_ceil(tick);
            prop_assert_eq!(Tick::of(tick).not_before(Moment::from_nanos(nanos)), expected);
        }

        #[test]
        fn it_keeps_what_a_list_of_all_places_keeps(steps in prop::collection::vec(step(true), 1..80)) {
            play(steps);
        }

        #[test]
        fn also_where_each_has_one_place(steps in prop::collection::vec(step(false), 1..80)) {
            play(steps);
        }
    }
}
