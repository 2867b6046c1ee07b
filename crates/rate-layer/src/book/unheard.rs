//! What the server states that is about none of the windows.

use std::time::Duration;

use crate::server::Stated;

/// How many different statements the log is told of. A server may state another limit each time.
const MOST: usize = 8;

/// Statements that the log has been told of: each once, and no more than a few.
#[derive(Debug, Default)]
pub(crate) struct Unheard(Vec<(Option<u64>, Option<Duration>)>);

impl Unheard {
    /// Whether the log is to be told of this one.
    pub(crate) fn is_news(&mut self, stated: &Stated) -> bool {
        let limit = (stated.limit, stated.window);
        let is_news = self.0.len() < MOST && !self.0.contains(&limit);
        if is_news {
            self.0.push(limit);
        }
        is_news
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_whatever_is_left_and_a_server_that_never_repeats_itself_is_not_told_for_ever()
     {
        let mut unheard = Unheard::default();
        assert!(unheard.is_news(&Stated::new().remaining(3)));
        assert!(!unheard.is_news(&Stated::new().remaining(2)));
        let per_second = Stated::new().limit(0).window(Duration::from_secs(1));
        assert!(unheard.is_news(&per_second));
        let told = (0..100).filter(|&limit| unheard.is_news(&Stated::new().limit(limit)));
        assert_eq!(told.count(), MOST - 2);
        assert!(!unheard.is_news(&per_second));
    }
}
