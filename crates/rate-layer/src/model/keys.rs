//! A key that is forgotten while others use it.

use loom::thread;

use super::*;
use crate::book::keys::Keys;

/// Takes the place of `key`'s window, as a request does: under one lock.
fn admit(desk: &Desk, group: u32, key: &[u8]) -> Result<Claims, Denied> {
    desk.shared.with(|book, wakes| {
        let id = book.window_of(at(0), group, key, &[])?;
        let mut claims = Claims::one(Claim::new(id, 1));
        book.admit(at(0), &mut claims, Lane::Rest, wakes)?;
        Ok(claims)
    })
}

#[test]
fn a_key_is_forgotten_when_nothing_of_it_counts_and_its_old_name_harms_nobody() {
    check(|| {
        let mut book = Book::new(at(0));
        let one = NonZeroUsize::MIN.get();
        let group = book.open_keyed(&ONE.into(), Keys::new(one, SECOND));
        let desk = Arc::new(Desk {
            shared: Shared::new(book),
            windows: Vec::new(),
        });
        let held = Arc::new(AtomicBool::new(false));
        let ours = admit(&desk, group, b"ours").expect("the first key");
        held.store(true, Ordering::SeqCst);
        let theirs = {
            let (desk, held) = (Arc::clone(&desk), Arc::clone(&held));
            thread::spawn(move || match admit(&desk, group, b"theirs") {
                Ok(claims) => {
                    assert!(!held.load(Ordering::SeqCst), "there is room for one key");
                    desk.give_back(&claims);
                    // Nobody who knows the other key's window can do anything to this one.
                    let again = admit(&desk, group, b"theirs").expect("it is not silent");
                    Some(again)
                }
                Err(denied) => {
                    assert_eq!(denied, Denied::TooManyKeys(one));
                    None
                }
            })
        };
        held.store(false, Ordering::SeqCst);
        desk.give_back(&ours);
        let id = ours[0].id;
        desk.shared.with(|book, wakes| {
            book.throttled(at(0), id, Some(at(100)), wakes);
            assert_eq!(book.keys(group), 1);
        });
        if let Some(theirs) = theirs.join().expect("done") {
            let index = theirs[0].id;
            let reading = desk.shared.with(|book, _| book.reading(at(0), index));
            assert_eq!(reading.map(|reading| reading.in_flight), Some(1));
        }
    });
}
