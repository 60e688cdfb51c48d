//! The least that a recorder of RTSP cameras can do: the bytes that come over the connection, copied into a file. Nothing
//! is looked at, nothing is sealed, nothing is synced, and what comes out plays nowhere. `scripts/bench record` measures
//! recorders by it.
//!
//! ```text
//! floor DIR rtsp://127.0.0.1:8554/cam01/main …      one file per address; says "playing" once all cameras play
//! ```
//!
//! One thread, one read and one write each time that something came.

#![allow(clippy::disallowed_macros, clippy::print_stdout, reason = "a program that says when it is ready")]

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// As much as a large key picture.
const BUFFER_BYTES: usize = 256 * 1024;
/// An answer that is longer is none of a camera.
const ANSWER_BYTES: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| usage());
    let addresses: Vec<String> = arguments.collect();
    let mut playing = Vec::new();
    for (n, address) in addresses.iter().enumerate() {
        let file = File::create(Path::new(&dir).join(format!("{n}.rtp")))?;
        playing.push((play(address).await?, file));
    }
    println!("playing");
    let mut copies = JoinSet::new();
    playing.into_iter().for_each(|(camera, file)| _ = copies.spawn(copy(camera, file)));
    while let Some(ended) = copies.join_next().await {
        ended??;
    }
    Ok(())
}

fn usage() -> ! {
    println!("usage: floor DIR ADDRESS …");
    std::process::exit(2)
}

/// DESCRIBE, SETUP of two tracks, PLAY.
async fn play(address: &str) -> io::Result<TcpStream> {
    let host = address.strip_prefix("rtsp://").and_then(|rest| rest.split('/').next());
    let mut camera = TcpStream::connect(host.ok_or(io::ErrorKind::InvalidInput)?).await?;
    ask(&mut camera, &format!("DESCRIBE {address} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await?;
    let mut session = String::new();
    for track in 0..2 {
        let (low, high) = (2 * track, 2 * track + 1);
        let asked = format!(
            "SETUP {address}/trackID={track} RTSP/1.0\r\nCSeq: {}\r\n{session}\
             Transport: RTP/AVP/TCP;unicast;interleaved={low}-{high}\r\n\r\n",
            track + 2
        );
        let answer = ask(&mut camera, &asked).await?;
        let id = answer.lines().find_map(|l| l.strip_prefix("Session: ")?.split(';').next());
        session = format!("Session: {}\r\n", id.unwrap_or_default());
    }
    // The answer may have the first packets behind it already: they are left out.
    ask(&mut camera, &format!("PLAY {address} RTSP/1.0\r\nCSeq: 4\r\n{session}\r\n")).await?;
    Ok(camera)
}

/// Sends a request and reads its answer, with the body if it has one.
async fn ask(camera: &mut TcpStream, request: &str) -> io::Result<String> {
    camera.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if camera.read_buf(&mut answer).await? == 0 || answer.len() > ANSWER_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return match head.starts_with("RTSP/1.0 200 ") {
                true => Ok(head.to_owned()),
                false => Err(io::Error::other(head.to_owned())),
            };
        }
    }
}

async fn copy(mut camera: TcpStream, mut file: File) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = camera.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..read])?;
    }
}
