//! What has been read of a body, within bounds.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// As many frames as fit into any bound; a larger one has room for one in each [`SPARSE`] bytes.
const FRAMES: usize = 1024;
const SPARSE: usize = 64;
/// What a trailer weighs beside its name and value: the overhead of RFC 7541, section 4.1.
const FIELD: usize = 32;

/// The frames of a body from its first one on.
#[derive(Debug)]
pub(super) struct Recording {
    pieces: Vec<Piece>,
    size: usize,
    bound: usize,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    /// Boxed: there is one at most.
    Trailers(Box<HeaderMap>),
}

impl Recording {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            pieces: Vec::new(),
            size: 0,
            bound,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The frame at `position`, again.
    pub(super) fn frame(&self, position: usize) -> Option<Frame<Bytes>> {
        Some(match self.pieces.get(position)? {
            Piece::Data(data) => Frame::data(data.clone()),
            Piece::Trailers(trailers) => Frame::trailers((**trailers).clone()),
        })
    }

    /// Adds `frame`, or says that it does not fit. Frames of a kind that is unknown here never do.
    pub(super) fn push(&mut self, frame: &Frame<Bytes>) -> bool {
        let (piece, weight) = if let Some(data) = frame.data_ref() {
            (Piece::Data(data.clone()), data.len())
        } else if let Some(trailers) = frame.trailers_ref() {
            let fields = trailers.iter();
            let weight = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD);
            (Piece::Trailers(Box::new(trailers.clone())), weight.sum())
        } else {
            return false;
        };
        let size = self.size.saturating_add(weight);
        if size > self.bound || self.pieces.len() >= FRAMES.max(self.bound / SPARSE) {
            return false;
        }
        self.size = size;
        self.pieces.push(piece);
        true
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn data(length: usize) -> Frame<Bytes> {
        Frame::data(vec![b'x'; length].into())
    }

    #[test]
    fn the_bound_is_exact() {
        let mut recording = Recording::new(100);
        assert!(recording.push(&data(99)));
        assert!(!recording.push(&data(2)));
        assert!(recording.push(&data(1)));
        assert!(recording.push(&data(0)));
        assert!(!recording.push(&data(1)));
        assert_eq!(recording.len(), 3);
    }

    #[test]
    fn trailers_weigh_something_too() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("12345"));
        let frame = Frame::trailers(trailers);
        assert!(!Recording::new(41).push(&frame));
        let mut recording = Recording::new(42);
        assert!(recording.push(&frame));
        let again = recording.frame(0).expect("a frame");
        assert_eq!(again.trailers_ref(), frame.trailers_ref());
    }

    #[test]
    fn tiny_frames_are_bounded_as_well() {
        for (bound, most) in [(0, 1024), (64 * 1024, 1024), (256 * 1024, 4096)] {
            let mut recording = Recording::new(bound);
            for _ in 0..most {
                assert!(recording.push(&data(0)));
            }
            assert!(!recording.push(&data(0)), "{bound}");
        }
    }
}
