//! The header box: whose footage a file holds stands inside it, sealed with it (promise 3).

use base::footage::SegmentHeader;

use crate::bmff::uuid_box;

/// Number of the format that this version writes, and the newest that it reads. See `docs/format/segment.md`.
pub const FORMAT: u32 = 1;

/// Type of the `uuid` box that stands after `ftyp`: 0bb9643c-aa1f-4a72-b089-219c5f2eab6a.
pub const HEADER_TYPE: [u8; 16] =
    [0x0b, 0xb9, 0x64, 0x3c, 0xaa, 0x1f, 0x4a, 0x72, 0xb0, 0x89, 0x21, 0x9c, 0x5f, 0x2e, 0xab, 0x6a];

/// A header box cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The box does not stand there.
    #[error("the header box is missing")]
    Missing,
    /// It was written by a newer version.
    #[error("it has format {0}, this version reads {FORMAT}")]
    Newer(u32),
    /// Its JSON is not a header.
    #[error("the header box is not the JSON it should be")]
    Json(#[source] serde_json::Error),
}

/// The header as a `uuid` box.
pub(crate) fn encode(header: &SegmentHeader) -> Vec<u8> {
    let json = serde_json::to_vec(header).expect("a header has no maps and no floats: it always is JSON");
    uuid_box(&HEADER_TYPE, &json)
}

/// Reads what follows length and `uuid` in a header box.
pub(crate) fn decode(body: &[u8]) -> Result<SegmentHeader, HeaderError> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        format: u32,
    }
    let json = body.strip_prefix(&HEADER_TYPE).ok_or(HeaderError::Missing)?;
    let Numbered { format } = serde_json::from_slice(json).map_err(HeaderError::Json)?;
    if format > FORMAT {
        return Err(HeaderError::Newer(format));
    }
    serde_json::from_slice(json).map_err(HeaderError::Json)
}
