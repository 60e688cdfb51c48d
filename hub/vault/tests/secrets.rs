//! Secrets are not shown, printed, copied or written by accident.

use std::fmt::{Debug, Display};

use base::{CameraId, EpochId, PrincipalId, SimClock};
use vault::*;

/// Does not compile if the type has the trait: two candidates for `SOME` then.
macro_rules! has_not {
    ($($type:ty: $($bound:path),+;)*) => {$($(
        const _: fn() = || {
            trait Unless<T> { fn some() {} }
            impl<T: ?Sized> Unless<()> for T {}
            struct Has;
            impl<T: ?Sized + $bound> Unless<Has> for T {}
            let _ = <$type as Unless<_>>::some;
        };
    )+)*};
}

has_not! {
    PrincipalIdentity: Display, Clone, serde::Serialize;
    EpochSecrets: Display, Clone, serde::Serialize;
    CameraKey: Display, serde::Serialize;
    SessionToken: Display, Clone, serde::Serialize;
    Password: Display, Clone, serde::Serialize;
    PasswordSecret: Display, Clone, serde::Serialize;
    ClaimToken: Display, Clone, serde::Serialize;
    RecoveryKit: Display, Clone, serde::Serialize;
    RecoveryFile: Display, Clone, serde::Serialize;
    HubSigningKey: Display, Clone, serde::Serialize;
    Viewer: Display, Clone, serde::Serialize, Default;
}

const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Viewer>();
const _: () = is_shared::<Gate>();
const _: () = is_shared::<Opened<std::fs::File>>();
const _: () = is_shared::<Sealer<std::fs::File>>();

#[test]
fn debug_says_the_types_name_only() {
    let clock = SimClock::default();
    let (camera, epoch) = (CameraId::new(&clock), EpochId::new(&clock));
    let identity = PrincipalIdentity::generate();
    let secrets = EpochSecrets::generate(epoch, camera);
    let key = secrets.wrap(Purpose::Live, &identity.recipient());
    let signing = HubSigningKey::load(&HubSigningKey::generate()).unwrap();
    let password = Password::new("hunter2".into()).unwrap();
    let all: [(&dyn Debug, &str); 8] = [
        (&identity, "PrincipalIdentity(hidden)"),
        (&secrets, "EpochSecrets(hidden)"),
        (&SessionToken::generate(), "SessionToken(hidden)"),
        (&ClaimToken::generate(), "ClaimToken(hidden)"),
        (&RecoveryKit::generate(), "RecoveryKit(hidden)"),
        (&signing, "HubSigningKey(hidden)"),
        (&password.derive(&PasswordParams::light()), "PasswordSecret(hidden)"),
        (&password, "Password(hidden)"),
    ];
    for (value, text) in all {
        assert_eq!(format!("{value:#?}"), text);
    }
    let principal = PrincipalId::new(&clock);
    let viewer = Viewer::new(principal, identity, vec![key]);
    assert_eq!(format!("{viewer:?}"), format!("Viewer(Some(PrincipalId({principal})))"));
    let opened = viewer.key(camera, Purpose::Live, None).unwrap().next().unwrap().unwrap();
    assert_eq!(format!("{opened:?}"), "CameraKey(hidden)");
}
