//! How cameras depart from the standard: what a test can have this server do. `docs/cameras.md` says who does it.

/// None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    /// DESCRIBE is answered with 302 and this address.
    pub redirect: Option<String>,
    /// SETUP is refused with this status, such as 461: RTP does not go over the RTSP connection.
    pub refuses_tcp: Option<u16>,
    /// Each method wants to be asked with a nonce of its own.
    pub nonce_per_method: bool,
    /// The password is asked for by a second scheme as well.
    pub also_basic: Option<Place>,
    /// SETUP names other channels than were asked for, and they are used.
    pub other_channels: bool,
    /// Packets come before the answer to PLAY.
    pub early_data: bool,
    /// Data comes on a channel that nobody set up.
    pub stray_data: bool,
    /// PLAY is answered without RTP-Info.
    pub no_rtp_info: bool,
    /// DESCRIBE is answered without Content-Base.
    pub no_content_base: bool,
    /// Each answer to SETUP names another session, and any of them is taken.
    pub new_session_ids: bool,
    /// The session says this timeout and keeps to it: the connection is closed when neither a request nor RTCP came for
    /// so long.
    pub session_timeout_s: Option<u32>,
    /// SET_PARAMETER is offered in place of GET_PARAMETER, but refused with 400, and the answer bears the number of the
    /// request before. The session lives on.
    pub refuses_set_parameter: bool,
}

/// Where among several challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the usual one.
    First,
    /// After it.
    Last,
}
