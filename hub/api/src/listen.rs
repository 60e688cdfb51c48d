//! Sockets to listen on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base::fs::FsError;
use base::{Problem, ProblemKind};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

/// Connections that wait until they are accepted.
const BACKLOG: u32 = 1024;

/// Why the hub cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// On an address and port.
    #[error("cannot listen on {address}")]
    Tcp {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// On the hub's own socket: a file could not be made, or something else is in its place.
    #[error(transparent)]
    Local(#[from] FsError),
    /// Another hub listens on the hub's own socket.
    #[error("another hub listens on {path}", path = path.display())]
    HubRunning {
        /// The socket.
        path: PathBuf,
    },
}

impl From<ListenError> for Problem {
    fn from(error: ListenError) -> Problem {
        match &error {
            ListenError::Tcp { address, source } => {
                Problem::with(ProblemKind::PortTaken, format!("{address}: {}", source.kind()))
            }
            ListenError::Local(FsError { action, path, .. }) => {
                Problem::with(ProblemKind::FileError, format!("The hub could not {action} {}", path.display()))
            }
            ListenError::HubRunning { path } => Problem::with(ProblemKind::HubRunning, path.display()),
        }
    }
}

/// Listens on an address; on `[::]` for IPv4 too. A machine without IPv6 listens on `0.0.0.0` then.
pub fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    match listen(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && lacks_ipv6(&error) => {
            tracing::warn!(%address, "this machine has no IPv6: listening on IPv4 only");
            let address = (Ipv4Addr::UNSPECIFIED, address.port()).into();
            listen(address).map_err(|source| ListenError::Tcp { address, source })
        }
        other => other.map_err(|source| ListenError::Tcp { address, source }),
    }
}

/// Listens on the hub's own socket: 0660, group `keepsight` where there is one. A socket that a dead hub left behind
/// is replaced; one that a hub answers on is not, and neither is anything that is not a socket.
pub fn local(path: &Path) -> Result<UnixListener, ListenError> {
    match path.symlink_metadata() {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let not_a_socket = io::Error::new(io::ErrorKind::AlreadyExists, "not a socket");
            return Err(FsError::on("replace", path)(not_a_socket).into());
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(ListenError::HubRunning { path: path.to_owned() });
        }
        _ => {}
    }
    // Under another name first, so that nobody finds it before it has its mode.
    let temp = path.with_extension("new");
    match std::fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FsError::on("remove", &temp)(error).into()),
        _ => {}
    }
    let listener = UnixListener::bind(&temp).map_err(FsError::on("listen on", &temp))?;
    let group = nix::unistd::Group::from_name("keepsight").ok().flatten();
    if let Some(group) = group
        && let Err(error) = nix::unistd::chown(&temp, None, Some(group.gid))
    {
        tracing::warn!(%error, path = %path.display(), "the hub's socket does not get the group keepsight");
    }
    let mode = std::fs::Permissions::from_mode(0o660);
    std::fs::set_permissions(&temp, mode).map_err(FsError::on("set the mode of", &temp))?;
    std::fs::rename(&temp, path).map_err(FsError::on("replace", path))?;
    Ok(listener)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            setsockopt(&socket.as_fd(), sockopt::Ipv6V6Only, &false)?;
            socket
        }
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT};
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_unspecified_address_takes_ipv4_too() {
        let listener = tcp("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        listener.accept().await.unwrap();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let listener = tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let problem = Problem::from(tcp(address).unwrap_err());
        assert_eq!(problem.kind, ProblemKind::PortTaken);
        assert!(problem.to_string().contains(&address.to_string()), "{problem}");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let first = local(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(Problem::from(local(&path).unwrap_err()).kind, ProblemKind::HubRunning);
        drop(first); // as a crash leaves it: the file stays
        assert!(path.exists());
        local(&path).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_file_in_the_sockets_place_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Problem::from(local(&path).unwrap_err()).kind, ProblemKind::FileError);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
