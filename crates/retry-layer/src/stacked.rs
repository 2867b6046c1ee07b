//! What a retry layer below another one tells it: a deadline that only the lower one knows of.

use std::error::Error;
use std::time::Instant;
use std::{fmt, mem};

use call_context::{BoxError, Remarked};
use http::Response;

/// The deadline of a call by a layer below: an extension of its response, or a remark on its error.
///
/// The lower layer sees each attempt for itself. The upper one is told after the first, and keeps to it over all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackedDeadline(Instant);

impl StackedDeadline {
    /// Tells it along with `outcome`.
    pub(crate) fn note<R>(
        deadline: Instant,
        outcome: Result<Response<R>, BoxError>,
    ) -> Result<Response<R>, BoxError> {
        match outcome {
            Ok(mut response) => {
                response.extensions_mut().insert(Self(deadline));
                Ok(response)
            }
            Err(error) => Err(Remarked::new(Self(deadline), error).into()),
        }
    }

    /// What `outcome` tells. Takes it out, unless something else is around it.
    pub(crate) fn take<R>(outcome: &mut Result<Response<R>, BoxError>) -> Option<Instant> {
        let error = match outcome {
            Ok(response) => {
                let told = response.extensions_mut().remove();
                return told.map(|Self(deadline)| deadline);
            }
            Err(error) => error,
        };
        let Self(deadline) = *call_context::find(&**error)?;
        // In the meantime something that takes no room.
        *error = match mem::replace(error, Box::new(fmt::Error)).downcast::<Remarked>() {
            Ok(remarked) if remarked.remark().is::<Self>() => remarked.into_error(),
            Ok(remarked) => remarked,
            Err(error) => error,
        };
        Some(deadline)
    }
}

impl fmt::Display for StackedDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a retry layer below has an earlier deadline for the call")
    }
}

impl Error for StackedDeadline {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_taken_out_again_and_nothing_else() {
        let now = crate::clock::now();
        let mut response = StackedDeadline::note(now, Ok(Response::new(())));
        assert_eq!(StackedDeadline::take(&mut response), Some(now));
        assert!(response.expect("a response").extensions().is_empty());

        let plain = || BoxError::from("the connection broke");
        let mut error = StackedDeadline::note::<()>(now, Err(plain()));
        assert_eq!(StackedDeadline::take(&mut error), Some(now));
        assert_eq!(
            error.expect_err("an error").to_string(),
            plain().to_string()
        );

        let mut other = Err(Remarked::new("remark", plain()).into());
        assert_eq!(StackedDeadline::take::<()>(&mut other), None);
        assert_eq!(other.expect_err("an error").to_string(), "remark");

        // Behind another remark it is read, and stays.
        let noted = StackedDeadline::note::<()>(now, Err(plain())).expect_err("an error");
        let mut around = Err(Remarked::new("remark", noted).into());
        assert_eq!(StackedDeadline::take::<()>(&mut around), Some(now));
        assert_eq!(around.expect_err("an error").to_string(), "remark");
    }
}
