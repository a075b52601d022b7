//! Parts of a list.

/// Number of objects in a part of a list: as many as S3 returns for one request.
pub(super) const PAGE: usize = 1000;
