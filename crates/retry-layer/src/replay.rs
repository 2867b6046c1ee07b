//! Bodies that can be sent a second time.

use std::pin::Pin;

use bytes::{Buf, Bytes};
use http_body_util::combinators::{
    BoxBody, Fuse, InspectErr, InspectFrame, MapErr, MapFrame, UnsyncBoxBody, WithTrailers,
};
use http_body_util::{BodyStream, Channel, Collected, Either, Empty, Full, Limited, StreamBody};

/// A request body that may be able to be sent again.
///
/// A body that cannot be sent again says `None`; its request is sent once. Bodies of other crates' types, and those that
/// stream, can be sent again inside a [`ReplayBody`](crate::ReplayBody), which keeps what has been read; boxed
/// (`request.map(BodyExt::boxed_unsync)`) they are sent once.
///
/// | body | replays |
/// | --- | --- |
/// | `Full<D>` with `D: Clone`, `Empty`, `()`, `Bytes`, `String`, `&'static str` | yes |
/// | `Either` | if the side at hand does |
/// | `Box`, `Pin<Box>` | if what is inside does |
/// | [`ReplayBody`](crate::ReplayBody) | until more has been read of it than its bound |
/// | `MapErr`, `MapFrame`, `InspectErr`, `InspectFrame` | if they are `Clone` and what is inside replays |
/// | `BoxBody`, `UnsyncBoxBody`, `StreamBody`, `BodyStream`, `Channel`, `Collected`, `Fuse`, `Limited`, `WithTrailers`, hyper's `Incoming` | no |
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Either, Full, combinators::UnsyncBoxBody};
/// use retry_layer::Replay;
///
/// type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, std::convert::Infallible>>;
/// let whole: Body = Either::Left(Full::from("order"));
/// let stream: Body = Either::Right(Full::from("order").boxed_unsync());
/// assert!(whole.replay().is_some());
/// assert!(stream.replay().is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "a request with the body `{Self}` cannot be sent again, as nobody knows how to copy its body",
    label = "this body is not `Replay`",
    note = "wrap it in a `ReplayBody`: `request.map(ReplayBody::new)`"
)]
pub trait Replay: Sized {
    /// A second body, equal to this one from its first byte on; `None` where there can be none.
    ///
    /// Asked before any of this one has been read, and cheap: reference counts, not copies of data.
    fn replay(&self) -> Option<Self>;

    /// Whether this body, a second one that nobody has read of, can still give all of its bytes.
    ///
    /// Asked when an attempt is over, before all else that a retry takes. A body that has its bytes at hand says yes, which
    /// is the default. One that gets them from an attempt may have lost them by then: the call ends with the outcome at hand.
    fn is_whole(&self) -> bool {
        true
    }

    /// Makes this body the one that is sent from now on, and says whether it can be, as [`is_whole`](Self::is_whole).
    ///
    /// Asked in the moment before the attempt departs. After a yes, the default, nothing that is left of earlier attempts can
    /// take bytes away from this body: a client may go on sending the body of an attempt that was answered early.
    fn take_over(&self) -> bool {
        true
    }
}

impl<D: Buf + Clone> Replay for Full<D> {
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<D: Buf> Replay for Empty<D> {
    fn replay(&self) -> Option<Self> {
        Some(Self::new())
    }
}

impl Replay for () {
    fn replay(&self) -> Option<Self> {
        Some(())
    }
}

impl Replay for Bytes {
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Replay for String {
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Replay for &'static str {
    fn replay(&self) -> Option<Self> {
        Some(self)
    }
}

impl<L: Replay, R: Replay> Replay for Either<L, R> {
    fn replay(&self) -> Option<Self> {
        match self {
            Self::Left(left) => left.replay().map(Self::Left),
            Self::Right(right) => right.replay().map(Self::Right),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Left(left) => left.is_whole(),
            Self::Right(right) => right.is_whole(),
        }
    }

    fn take_over(&self) -> bool {
        match self {
            Self::Left(left) => left.take_over(),
            Self::Right(right) => right.take_over(),
        }
    }
}

impl<B: Replay> Replay for Box<B> {
    fn replay(&self) -> Option<Self> {
        (**self).replay().map(Self::new)
    }

    fn is_whole(&self) -> bool {
        (**self).is_whole()
    }

    fn take_over(&self) -> bool {
        (**self).take_over()
    }
}

impl<B: Replay> Replay for Pin<Box<B>> {
    fn replay(&self) -> Option<Self> {
        (**self).replay().map(Box::pin)
    }

    fn is_whole(&self) -> bool {
        (**self).is_whole()
    }

    fn take_over(&self) -> bool {
        (**self).take_over()
    }
}

// None of the four can be taken apart: the closure comes by way of a clone, the body from itself.
impl<B: Clone + Replay, F: Clone> Replay for MapErr<B, F> {
    fn replay(&self) -> Option<Self> {
        let body = self.get_ref().replay()?;
        let mut second = self.clone();
        *second.get_mut() = body;
        Some(second)
    }

    fn is_whole(&self) -> bool {
        self.get_ref().is_whole()
    }

    fn take_over(&self) -> bool {
        self.get_ref().take_over()
    }
}

impl<B: Clone + Replay, F: Clone> Replay for MapFrame<B, F> {
    fn replay(&self) -> Option<Self> {
        let body = self.get_ref().replay()?;
        let mut second = self.clone();
        *second.get_mut() = body;
        Some(second)
    }

    fn is_whole(&self) -> bool {
        self.get_ref().is_whole()
    }

    fn take_over(&self) -> bool {
        self.get_ref().take_over()
    }
}

impl<B: Clone + Replay, F: Clone> Replay for InspectErr<B, F> {
    fn replay(&self) -> Option<Self> {
        let body = self.get_ref().replay()?;
        let mut second = self.clone();
        *second.get_mut() = body;
        Some(second)
    }

    fn is_whole(&self) -> bool {
        self.get_ref().is_whole()
    }

    fn take_over(&self) -> bool {
        self.get_ref().take_over()
    }
}

impl<B: Clone + Replay, F: Clone> Replay for InspectFrame<B, F> {
    fn replay(&self) -> Option<Self> {
        let body = self.get_ref().replay()?;
        let mut second = self.clone();
        *second.get_mut() = body;
        Some(second)
    }

    fn is_whole(&self) -> bool {
        self.get_ref().is_whole()
    }

    fn take_over(&self) -> bool {
        self.get_ref().take_over()
    }
}

// It shows neither its limit nor the body inside, so that nobody can ask that body.
impl<B> Replay for Limited<B> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<D, E> Replay for BoxBody<D, E> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<D, E> Replay for UnsyncBoxBody<D, E> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<S> Replay for StreamBody<S> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<B> Replay for BodyStream<B> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<D, E> Replay for Channel<D, E> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<B> Replay for Collected<B> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<B> Replay for Fuse<B> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<B, F> Replay for WithTrailers<B, F> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

#[cfg(feature = "hyper")]
impl Replay for hyper::body::Incoming {
    fn replay(&self) -> Option<Self> {
        None
    }
}
