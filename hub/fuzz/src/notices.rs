//! Documents in which a camera says what it notices.

use onvif::{Movement, notices};

/// Reads `bytes` as a document.
pub fn read(bytes: &[u8]) {
    let Ok(notices) = notices(bytes) else { return };
    for notice in notices {
        if let Some(movement) = Movement::of(&notice) {
            assert!(movement.rule.len() <= 2 * bytes.len(), "a rule that is longer than all that was said");
        }
    }
}
