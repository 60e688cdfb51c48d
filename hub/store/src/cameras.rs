//! Cameras, their epochs, and the epochs' keys as they were wrapped for principals.
//!
//! ```text
//! cameras: c <camera>                                          → Camera
//!          e <camera> <number, 4 bytes>                        → Epoch
//!          d <camera>                                          → nothing: it is due a new epoch
//! keys:    <principal> <camera> <purpose, 1 byte> <number>     → epoch, then the wrapped key's bytes
//! ```
//!
//! A camera's epochs are numbered as they are added: a clock that is set back does not make an old epoch the newest.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::ops::ControlFlow;

use base::footage::Purpose;
use base::{CameraId, EpochId, HardwareAddress, HubId, PrincipalId, SecretId, Timestamp, Transport};
use serde::{Deserialize, Deserializer, Serialize};
use vault::{EpochPublic, KitFile, WrappedKey};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::key::{ID, Parts, key};
use crate::motion::MotionSettings;
use crate::row::RowError;

/// One video source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Camera {
    /// This camera.
    pub id: CameraId,
    /// What people call it.
    pub name: String,
    /// The stream that is recorded.
    pub main: StreamSource,
    /// The small stream, if it has one.
    pub sub: Option<StreamSource>,
    /// When it was added.
    pub created: Timestamp,
    /// Somebody stopped it from being recorded.
    pub paused: bool,
    /// Until when; `None`: until somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    /// It is paused while this device is at home; `paused` says whether it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_home: Option<AtHome>,
    /// The small stream is recorded too.
    pub record_sub: bool,
    /// Its pictures are looked at for motion; `None`: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motion: Option<MotionSettings>,
}

/// A phone whose being at home pauses a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtHome {
    /// Whose it is.
    pub principal: PrincipalId,
    /// As which of their devices it is signed in: signed out it has no say.
    pub device: SecretId,
    /// What answers when it is at home.
    pub hardware: HardwareAddress,
    /// Where it was when its owner said so.
    pub address: IpAddr,
    /// The kernel's number of the interface behind which that was.
    pub interface: u32,
}

/// Where a stream comes from. The password is not here: it is among the hub's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamSource {
    /// The address, without user name and password.
    pub url: String,
    /// The user name.
    pub username: Option<String>,
    /// How its packets are to travel. A word of a newer hub is read as `auto`.
    #[serde(default, skip_serializing_if = "is_auto", deserialize_with = "transport")]
    pub transport: Transport,
    /// What the hub found out by itself. Rows from before it was kept have none.
    #[serde(default, skip_serializing_if = "Learnt::is_nothing")]
    pub learnt: Learnt,
}

/// What the hub found out about a stream's address by itself. Forgotten when the address changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Learnt {
    /// The way in which it could be read, a word of `media::Way`; one that is not known is as if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// Why it is not the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The certificate that it showed: the SHA-256 of its DER form in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Learnt {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn is_auto(transport: &Transport) -> bool {
    *transport == Transport::Auto
}

fn transport<'de, D: Deserializer<'de>>(d: D) -> Result<Transport, D::Error> {
    Ok(String::deserialize(d)?.parse().unwrap_or_default())
}

/// A stretch of time in which a camera's footage is sealed to one pair of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Whose.
    pub camera: CameraId,
    /// Which, and its public keys.
    pub public: EpochPublic,
    /// When it was made.
    pub created: Timestamp,
    /// Adopted: its footage names the hub that sealed it, which is this one. `None`: this hub made the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubId>,
    /// Its key file, as long as the footage disk has not taken it: nothing is sealed to the epoch before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<KitFile>,
}

/// A camera's adopted epochs: what [`Db::adopt`] takes.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// Added if there is none with its id.
    pub camera: Camera,
    /// Oldest first, each with its keys as they were wrapped. Those that are there already are passed over.
    pub epochs: Vec<(Epoch, Vec<(PrincipalId, WrappedKey)>)>,
}

impl Db {
    /// Keeps a new camera with its first epoch and that epoch's keys.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if its id is taken; those of [`Db::add_epoch`].
    pub fn add_camera(
        &mut self,
        camera: &Camera,
        epoch: &Epoch,
        keys: &[(PrincipalId, WrappedKey)],
    ) -> Result<(), StoreError> {
        if self.contains(TREE, &camera_key(camera.id))? {
            return Err(StoreError::Exists("camera"));
        }
        self.put_camera(camera)?;
        self.add_epoch(epoch, keys)
    }
    /// Replaces a camera's row.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if there is none.
    pub fn update_camera(&mut self, camera: &Camera) -> Result<(), StoreError> {
        if !self.contains(TREE, &camera_key(camera.id))? {
            return Err(StoreError::NoSuch("camera"));
        }
        self.put_camera(camera)
    }
    /// One camera.
    pub fn camera(&self, id: CameraId) -> Result<Option<Camera>, StoreError> {
        self.get(TREE, &camera_key(id))
    }
    /// All cameras, oldest first.
    pub fn cameras(&self) -> Result<Vec<Camera>, StoreError> {
        self.list(TREE, &KeyRange::prefix(CAMERA), Order::Forward, read)
    }
    /// Removes a camera with its epochs, grants and wrapped keys: its footage opens with the recovery kit only. The
    /// rows of its footage are [`Db::remove_history`]'s.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if there is none.
    pub fn remove_camera(&mut self, id: CameraId) -> Result<(), StoreError> {
        if !self.contains(TREE, &camera_key(id))? {
            return Err(StoreError::NoSuch("camera"));
        }
        for principal in self.principals()? {
            self.remove_grant(principal.id, id)?;
            self.remove_wrapped_keys(principal.id, id)?;
        }
        self.delete_range(TREE, &KeyRange::prefix(&key(&[EPOCH, &id.to_bytes()])))?;
        if self.contains(TREE, &due_key(id))? {
            self.delete(TREE, due_key(id))?;
        }
        self.forget_fired_at(id)?;
        self.delete(TREE, camera_key(id))
    }
    /// Forgets up to `limit` segments, gaps and events of a camera; answers how many there were. Call it again until it
    /// answers 0: each call is a batch of its own.
    pub fn remove_history(&mut self, camera: CameraId, limit: usize) -> Result<usize, StoreError> {
        let mut count = self.delete_spans_of::<base::footage::SegmentInfo>(camera, limit)?;
        count += self.delete_spans_of::<crate::Gap>(camera, limit - count)?;
        count += self.delete_spans_of::<crate::Event>(camera, limit - count)?;
        Ok(count)
    }

    /// Adds a camera's new epoch, from now on its newest, and that epoch's keys.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if the camera or a principal is not there; [`StoreError::Exists`] if the epoch is there
    /// already; [`StoreError::Refused`] if a key is another camera's or epoch's.
    pub fn add_epoch(&mut self, epoch: &Epoch, keys: &[(PrincipalId, WrappedKey)]) -> Result<(), StoreError> {
        if !self.contains(TREE, &camera_key(epoch.camera))? {
            return Err(StoreError::NoSuch("camera"));
        }
        let before = self.numbered_epochs(epoch.camera)?;
        if before.iter().any(|(_, e)| e.public.epoch == epoch.public.epoch) {
            return Err(StoreError::Exists("epoch"));
        }
        let number = before.first().map_or(0, |(number, _)| number + 1);
        self.put(TREE, key(&[EPOCH, &epoch.camera.to_bytes(), &number.to_be_bytes()]), epoch)?;
        if self.contains(TREE, &due_key(epoch.camera))? && epoch.hub.is_none() {
            self.delete(TREE, due_key(epoch.camera))?;
        }
        for (principal, wrapped) in keys {
            if wrapped.camera != epoch.camera || wrapped.epoch != epoch.public.epoch {
                return Err(StoreError::Refused("a wrapped key of another camera or epoch"));
            }
            self.put_wrapped_key(*principal, wrapped)?;
        }
        Ok(())
    }
    /// A camera is due a new epoch: somebody who held its keys must not open what is recorded from now on. It stays so,
    /// through power cuts and exports, until [`Db::add_epoch`] adds one of this hub's own.
    pub fn owe_epoch(&mut self, camera: CameraId) -> Result<(), StoreError> {
        match self.contains(TREE, &camera_key(camera))? {
            true => self.put_raw(TREE, due_key(camera), &[]),
            false => Ok(()), // it is gone, and so is all that is sealed to it from now on
        }
    }
    /// The cameras that are due a new epoch.
    pub fn due_epochs(&self) -> Result<Vec<CameraId>, StoreError> {
        self.list(TREE, &KeyRange::prefix(DUE), Order::Forward, |key, _| {
            let mut rest = Parts(key.strip_prefix(DUE).ok_or(RowError::Key)?);
            let camera = CameraId::from_bytes(rest.take()?);
            rest.end()?;
            Ok(camera)
        })
    }
    /// Takes a camera and its epochs from another hub's disk, or from this hub's own, if its store lost them. Before the
    /// camera is recorded it needs an epoch of this hub's own: the newest one names a hub.
    ///
    /// # Errors
    /// Those of [`Db::add_epoch`].
    pub fn adopt(&mut self, adopted: &Adopted) -> Result<(), StoreError> {
        if self.camera(adopted.camera.id)?.is_none() {
            self.put_camera(&adopted.camera)?;
        }
        let known = self.epochs_of(adopted.camera.id)?;
        let new = adopted.epochs.iter().filter(|(new, _)| known.iter().all(|e| e.public.epoch != new.public.epoch));
        new.into_iter().try_for_each(|(epoch, keys)| self.add_epoch(epoch, keys))
    }
    /// Every epoch whose key file is owed to the footage disk.
    pub fn owed_epochs(&self) -> Result<Vec<Epoch>, StoreError> {
        let mut epochs: Vec<Epoch> = self.list(TREE, &KeyRange::prefix(EPOCH), Order::Forward, read)?;
        epochs.retain(|epoch| epoch.owed.is_some());
        Ok(epochs)
    }
    /// The key files of these epochs are on the footage disk, durably.
    pub fn paid(&mut self, epochs: &[(CameraId, EpochId)]) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        self.scan(TREE, &KeyRange::prefix(EPOCH), Order::Forward, |key, content| {
            let epoch: Epoch = read(key, content)?;
            if epoch.owed.is_some() && epochs.contains(&(epoch.camera, epoch.public.epoch)) {
                rows.push((key.to_vec(), Epoch { owed: None, ..epoch }));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        rows.into_iter().try_for_each(|(key, epoch)| self.put(TREE, key, &epoch))
    }
    /// Every epoch that was adopted.
    pub fn adopted_epochs(&self) -> Result<Vec<Epoch>, StoreError> {
        let mut epochs: Vec<Epoch> = self.list(TREE, &KeyRange::prefix(EPOCH), Order::Forward, read)?;
        epochs.retain(|epoch| epoch.hub.is_some());
        Ok(epochs)
    }
    /// A camera's epochs, newest first.
    pub fn epochs_of(&self, camera: CameraId) -> Result<Vec<Epoch>, StoreError> {
        Ok(self.numbered_epochs(camera)?.into_iter().map(|(_, epoch)| epoch).collect())
    }
    /// What a camera's footage is sealed to now.
    pub fn current_epoch(&self, camera: CameraId) -> Result<Option<Epoch>, StoreError> {
        Ok(self.epochs_of(camera)?.into_iter().next())
    }

    /// Keeps a wrapped key, or replaces the one of the same principal, camera, epoch and purpose.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if the principal or the camera's epoch is not there.
    pub fn put_wrapped_key(&mut self, principal: PrincipalId, wrapped: &WrappedKey) -> Result<(), StoreError> {
        self.put_wrapped_keys(principal, std::slice::from_ref(wrapped))
    }
    /// The same for many keys of one principal, as many as fit into a call: some 15,000.
    ///
    /// # Errors
    /// As [`Db::put_wrapped_key`].
    pub fn put_wrapped_keys(&mut self, principal: PrincipalId, wrapped: &[WrappedKey]) -> Result<(), StoreError> {
        if self.principal(principal)?.is_none() {
            return Err(StoreError::NoSuch("principal"));
        }
        let mut numbers: BTreeMap<CameraId, BTreeMap<EpochId, u32>> = BTreeMap::new();
        for one in wrapped {
            let of_camera = match numbers.entry(one.camera) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let epochs = self.numbered_epochs(one.camera)?;
                    new.insert(epochs.into_iter().map(|(number, epoch)| (epoch.public.epoch, number)).collect())
                }
            };
            let number = of_camera.get(&one.epoch).ok_or(StoreError::NoSuch("epoch"))?;
            let prefix = keys_prefix(principal, one.camera);
            let key = key(&[&prefix, &[purpose_byte(one.purpose)], &number.to_be_bytes()]);
            self.put_raw(Tree::Keys, key, &[&one.epoch.to_bytes()[..], &one.blob].concat())?;
        }
        Ok(())
    }
    /// Everything a principal's viewer needs: its wrapped keys of every camera, per camera and purpose newest first.
    pub fn wrapped_keys_of(&self, principal: PrincipalId) -> Result<Vec<WrappedKey>, StoreError> {
        self.keys_in(&keys_of_principal(principal))
    }
    /// A principal's wrapped keys of a camera, per purpose newest first.
    pub fn wrapped_keys(&self, principal: PrincipalId, camera: CameraId) -> Result<Vec<WrappedKey>, StoreError> {
        self.keys_in(&keys_prefix(principal, camera))
    }
    /// Removes a principal's wrapped keys of a camera; answers how many there were. If there were any, the camera is due
    /// a new epoch.
    pub fn remove_wrapped_keys(&mut self, principal: PrincipalId, camera: CameraId) -> Result<usize, StoreError> {
        let live = self.take_keys(principal, camera, Purpose::Live)?;
        Ok(live + self.take_keys(principal, camera, Purpose::Footage)?)
    }
    /// The same for one purpose.
    pub fn take_keys(
        &mut self,
        principal: PrincipalId,
        camera: CameraId,
        purpose: Purpose,
    ) -> Result<usize, StoreError> {
        let prefix = key(&[&keys_prefix(principal, camera), &[purpose_byte(purpose)]]);
        let taken = self.delete_range(Tree::Keys, &KeyRange::prefix(&prefix))?;
        if taken > 0 {
            self.owe_epoch(camera)?;
        }
        Ok(taken)
    }

    fn put_camera(&mut self, camera: &Camera) -> Result<(), StoreError> {
        // A password in an address would stand in exports and in lists of cameras.
        for source in [Some(&camera.main), camera.sub.as_ref()].into_iter().flatten() {
            let authority = source.url.split_once("://").map_or("", |(_, rest)| rest);
            if authority.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')) {
                return Err(StoreError::Refused("a camera's address with a user name or password in it"));
            }
        }
        self.put(TREE, camera_key(camera.id), camera)
    }

    fn numbered_epochs(&self, camera: CameraId) -> Result<Vec<(u32, Epoch)>, StoreError> {
        let prefix = key(&[EPOCH, &camera.to_bytes()]);
        self.list(TREE, &KeyRange::prefix(&prefix), Order::Backward, |key, content| {
            let mut rest = Parts(key.strip_prefix(prefix.as_slice()).ok_or(RowError::Key)?);
            let number = u32::from_be_bytes(rest.take()?);
            rest.end()?;
            Ok((number, read(key, content)?))
        })
    }

    fn keys_in(&self, prefix: &[u8]) -> Result<Vec<WrappedKey>, StoreError> {
        self.list(Tree::Keys, &KeyRange::prefix(prefix), Order::Backward, read_key)
    }
}

const TREE: Tree = Tree::Cameras;
pub(crate) const CAMERA: &[u8] = b"c";
const EPOCH: &[u8] = b"e";
const DUE: &[u8] = b"d";

fn camera_key(id: CameraId) -> Vec<u8> {
    key(&[CAMERA, &id.to_bytes()])
}

fn due_key(id: CameraId) -> Vec<u8> {
    key(&[DUE, &id.to_bytes()])
}

/// With which the keys of every wrapped key of a principal begin.
pub(crate) fn keys_of_principal(principal: PrincipalId) -> Vec<u8> {
    principal.to_bytes().to_vec()
}

fn keys_prefix(principal: PrincipalId, camera: CameraId) -> Vec<u8> {
    key(&[&principal.to_bytes(), &camera.to_bytes()])
}

fn purpose_byte(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Live => b'L',
        Purpose::Footage => b'F',
    }
}

fn read_key(key: &[u8], content: &[u8]) -> Result<WrappedKey, RowError> {
    let mut key = Parts(key);
    let _principal: [u8; ID] = key.take()?;
    let camera = CameraId::from_bytes(key.take()?);
    let purpose = match key.take()? {
        [b'L'] => Purpose::Live,
        [b'F'] => Purpose::Footage,
        [_] => return Err(RowError::Key),
    };
    let _number: [u8; 4] = key.take()?;
    key.end()?;
    let mut content = Parts(content);
    let epoch = EpochId::from_bytes(content.take()?);
    Ok(WrappedKey { camera, epoch, purpose, blob: content.0.to_vec() })
}

fn read<T: serde::de::DeserializeOwned>(_key: &[u8], content: &[u8]) -> Result<T, RowError> {
    serde_json::from_slice(content).map_err(RowError::Content)
}

/// Checks any row of the cameras tree.
pub(crate) fn check(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    let (kind, rest) = key.split_at_checked(1).ok_or(RowError::Key)?;
    match (kind, rest.len()) {
        (CAMERA, ID) => read::<Camera>(key, content).map(drop),
        (EPOCH, 20) => read::<Epoch>(key, content).map(drop),
        (DUE, ID) if content.is_empty() => Ok(()),
        _ => Err(RowError::Key),
    }
}

/// Checks any row of the keys tree.
pub(crate) fn check_key(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    read_key(key, content).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_older_and_newer_hubs_are_read() {
        let old = r#"{"url":"rtsp://cam/main","username":null}"#;
        let source: StreamSource = serde_json::from_str(old).unwrap();
        assert_eq!((source.transport, source.learnt.clone()), (Transport::Auto, Learnt::default()));
        assert_eq!(serde_json::to_string(&source).unwrap(), old, "and an older hub reads what was not set");

        let newer = r#"{"url":"rtsp://cam/main","username":null,"transport":"pigeon","learnt":{"way":"pigeon","when":1},"new":2}"#;
        let source: StreamSource = serde_json::from_str(newer).unwrap();
        assert_eq!((source.transport, source.learnt.way.as_deref()), (Transport::Auto, Some("pigeon")));

        let learnt = Learnt { way: Some("udp".into()), why: Some("461".into()), certificate: Some("ab".into()) };
        let source = StreamSource { transport: Transport::Udp, learnt, ..source };
        assert_eq!(serde_json::from_str::<StreamSource>(&serde_json::to_string(&source).unwrap()).unwrap(), source);
    }
}
