//! Lists of structured fields (RFC 9651): items with the parameters that the drafts define.
//!
//! The parser tells a visitor what it finds, so that nothing is allocated but what must be decoded: partition keys, and names
//! with a backslash in them. A visitor hears of an item before the rest of the line is known to be well-formed; so the list
//! counts only once it is whole.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use sfv::visitor::{
    EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser, StringRef};

use super::stated::Stated;
use super::statements::Statements;

/// A parameter, or a dictionary's value. Of several, the last counts (RFC 9651, section 4.2.3.2).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Param<T> {
    #[default]
    Absent,
    /// There, but not as its definition demands.
    Malformed,
    Is(T),
}

/// One member of a list.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) name: Name<'a>,
    /// The quota.
    pub(super) q: Param<u64>,
    /// Whether the quota is counted in requests.
    pub(super) qu: Param<bool>,
    /// The window, in seconds.
    pub(super) w: Param<u64>,
    /// What remains.
    pub(super) r: Param<u64>,
    /// The reset, in seconds.
    pub(super) t: Param<u64>,
    /// The partition's key.
    pub(super) pk: Param<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum Name<'a> {
    Text(Cow<'a, StringRef>),
    Number(u64),
    Malformed,
}

/// The members of a list; those that find no room are left out.
#[derive(Debug)]
pub(super) struct Items<'a> {
    items: [Option<Item<'a>>; Statements::CAPACITY],
    len: usize,
    is_valid: fn(&Item<'_>) -> bool,
    /// A member was not valid, with or without room for it.
    is_spoilt: bool,
}

impl<T> Param<T> {
    pub(super) fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed)
    }

    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }
}

impl Param<u64> {
    /// A count: an Integer that is not negative.
    pub(super) fn count(value: &BareItemFromInput<'_>) -> Self {
        let value = value.as_integer().map(i64::from);
        match value.and_then(|value| u64::try_from(value).ok()) {
            Some(value) => Self::Is(value),
            None => Self::Malformed,
        }
    }

    /// A time in seconds, unless it is longer than anybody believes.
    pub(super) fn seconds(&self) -> Option<Duration> {
        let time = Duration::from_secs(*self.get()?);
        (time <= Stated::LONGEST).then_some(time)
    }
}

impl<'a> Items<'a> {
    fn new(is_valid: fn(&Item<'_>) -> bool) -> Self {
        Self {
            items: Default::default(),
            len: 0,
            is_valid,
            is_spoilt: false,
        }
    }

    /// Reads a list that may be spread over several lines; none, if any of them or any member is malformed.
    pub(super) fn of(
        headers: &'a HeaderMap,
        field: &HeaderName,
        is_valid: fn(&Item<'_>) -> bool,
    ) -> Self {
        let mut all = Self::new(is_valid);
        for line in headers.get_all(field) {
            if !all.read(line.as_bytes()) {
                return Self::new(is_valid);
            }
        }
        all
    }

    /// Reads a list of numbers on one line; none, if it is malformed.
    pub(super) fn numbers(line: &'a [u8]) -> Self {
        let is_number = |item: &Item<'_>| matches!(item.name, Name::Number(_));
        let mut all = Self::new(is_number);
        if all.read(line) {
            all
        } else {
            Self::new(is_number)
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Item<'a>> {
        self.items.iter().flatten()
    }

    fn read(&mut self, line: &'a [u8]) -> bool {
        let is_list = Parser::new(line)
            .parse_list_with_visitor(&mut *self)
            .is_ok();
        is_list && !self.is_spoilt
    }

    fn push(&mut self, item: Item<'a>) {
        self.is_spoilt |= !(self.is_valid)(&item);
        if let Some(free) = self.items.get_mut(self.len) {
            *free = Some(item);
            self.len += 1;
        }
    }
}

impl<'a> Item<'a> {
    fn new(name: Name<'a>) -> Self {
        Self {
            name,
            q: Param::Absent,
            qu: Param::Absent,
            w: Param::Absent,
            r: Param::Absent,
            t: Param::Absent,
            pk: Param::Absent,
        }
    }
}

impl<'a> ListVisitor<'a> for &mut Items<'a> {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'a>, Infallible> {
        Ok(Entry(self))
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The place of a member that comes next.
struct Entry<'list, 'a>(&'list mut Items<'a>);

impl<'a> EntryVisitor<'a> for Entry<'_, 'a> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        self.0.push(Item::new(Name::Malformed));
        Ok(Ignored)
    }
}

impl<'list, 'a> ItemVisitor<'a> for Entry<'list, 'a> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        bare: BareItemFromInput<'a>,
    ) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
        let name = match (Param::count(&bare), bare) {
            (Param::Is(number), _) => Name::Number(number),
            (_, BareItemFromInput::String(text)) => Name::Text(text),
            _ => Name::Malformed,
        };
        Ok(Member {
            list: self.0,
            item: Item::new(name),
        })
    }
}

/// A member whose parameters are being read.
struct Member<'list, 'a> {
    list: &'list mut Items<'a>,
    item: Item<'a>,
}

impl<'a> ParameterVisitor<'a> for Member<'_, 'a> {
    type Out = ();
    type Error = Infallible;

    fn parameter(
        &mut self,
        key: &'a KeyRef,
        value: BareItemFromInput<'a>,
    ) -> Result<(), Infallible> {
        let item = &mut self.item;
        match key.as_str() {
            "q" => item.q = Param::count(&value),
            "r" => item.r = Param::count(&value),
            "t" => item.t = Param::count(&value),
            "w" => {
                item.w = match Param::count(&value) {
                    Param::Is(0) => Param::Malformed,
                    window => window,
                }
            }
            "qu" => {
                item.qu = match value {
                    BareItemFromInput::String(unit) => Param::Is(unit.as_str() == "requests"),
                    _ => Param::Malformed,
                }
            }
            "pk" => {
                item.pk = match value {
                    BareItemFromInput::ByteSequence(key) => Param::Is(key),
                    _ => Param::Malformed,
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        self.list.push(self.item);
        Ok(())
    }
}
