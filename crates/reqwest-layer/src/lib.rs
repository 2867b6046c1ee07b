//! reqwest as a Tower service, and Tower layers as reqwest middleware.
