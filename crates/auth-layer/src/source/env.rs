//! A token from the environment of the process.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::secret::{Scheme, Unsendable};
use crate::{Fetch, Grant, GrantFuture, Secret, Source, SourceError};

/// A source that reads the environment variable `name`, anew at each fetch.
///
/// The value is taken as it stands: nothing is trimmed. If it is a JWT, its `exp` says when it is read again; otherwise it is
/// used until the server refuses it. For a key that never changes, [`Slot::key`](crate::Slot::key) does.
///
/// # Errors
///
/// A fetch fails for good where the variable is not set, empty, not Unicode, or holds what no header can (a line break at the
/// end, say): nobody but the program itself changes its environment. Once it has, call
/// [`TokenSlot::changed`](crate::TokenSlot::changed). The errors name the variable and never show its value.
///
/// ```
/// use auth_layer::{Slot, source_env};
///
/// let slot = Slot::token("business", source_env("API_TOKEN")).origin("https://api.example.com".parse()?);
/// # Ok::<(), call_context::OriginError>(())
/// ```
pub fn source_env(name: impl Into<OsString>) -> EnvSource {
    EnvSource { name: name.into() }
}

/// The source that [`source_env`] makes.
#[derive(Clone, Debug)]
pub struct EnvSource {
    name: OsString,
}

impl Source for EnvSource {
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        let grant = read(&self.name, std::env::var_os(&self.name));
        Box::pin(std::future::ready(grant))
    }
}

fn read(name: &OsStr, value: Option<OsString>) -> Result<Grant, SourceError> {
    let wrong = |why| {
        SourceError::permanent(EnvError {
            name: name.to_owned(),
            why,
        })
    };
    let value = value.ok_or_else(|| wrong(Wrong::Unset))?;
    // What is not Unicode is given back whole, and dropped: its `Debug` would print the value.
    let value = value.into_string().map_err(|_| wrong(Wrong::NotUnicode))?;
    let token = Secret::from(value);
    match Scheme::Bare.value(&token) {
        Ok(_) => Ok(Grant::new(token)),
        Err(Unsendable::Empty) => Err(wrong(Wrong::Empty)),
        Err(why) => Err(wrong(Wrong::Unsendable(why))),
    }
}

/// What is wrong with a variable.
#[derive(Debug)]
struct EnvError {
    name: OsString,
    why: Wrong,
}

#[derive(Debug)]
enum Wrong {
    Unset,
    Empty,
    NotUnicode,
    Unsendable(Unsendable),
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.display();
        match self.why {
            Wrong::Unset => write!(
                f,
                "the environment variable `{name}` is not set; set it to the token"
            ),
            Wrong::Empty => write!(
                f,
                "the environment variable `{name}` is empty; set it to the token"
            ),
            Wrong::NotUnicode => write!(
                f,
                "the environment variable `{name}` is not Unicode, so it holds no token"
            ),
            Wrong::Unsendable(_) => write!(
                f,
                "the environment variable `{name}` holds what cannot be sent as a token"
            ),
        }
    }
}

impl Error for EnvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Wrong::Unsendable(why) => Some(why),
            Wrong::Unset | Wrong::Empty | Wrong::NotUnicode => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Option<OsString>) -> String {
        let error = read(OsStr::new("API_TOKEN"), value).expect_err("no token");
        assert!(error.is_permanent());
        let mut text = format!("{error:?}");
        let mut link: Option<&dyn Error> = error.source();
        while let Some(error) = link {
            text.push_str(&format!(": {error}"));
            link = error.source();
        }
        assert!(text.contains("`API_TOKEN`"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        text
    }

    #[test]
    fn a_value_is_a_token_as_it_stands() {
        let grant = read(OsStr::new("API_TOKEN"), Some("sk live 1".into())).expect("a token");
        assert_eq!(grant.token.expose(), "sk live 1");
        assert_eq!(grant.lifetime, None);
    }

    #[test]
    fn what_is_no_token_is_refused_for_good_by_name_and_without_an_echo() {
        assert!(shown(None).contains("is not set"));
        assert!(shown(Some("".into())).contains("is empty"));
        for value in ["canary\n", "canary\r\n", "can\nary"] {
            assert!(shown(Some(value.into())).contains("contains a line break"));
        }
        assert!(shown(Some("canary ".into())).contains("whitespace"));
        assert!(shown(Some("canaryü".into())).contains("not visible ASCII"));
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_refused_without_an_echo() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(b"canary\xff".to_vec());
        assert!(shown(Some(value)).contains("is not Unicode"));
    }
}
