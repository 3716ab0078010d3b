//! A client's end of a socket. It reads only when it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::wire::{Got, parse};

/// A client says no more than this in all, so that its side of the socket never fills and blocks it.
const MAX_SAID: usize = 48 * 1024;

pub struct Peer {
    /// None when it has hung up.
    stream: Option<UnixStream>,
    unread: Vec<u8>,
    said: usize,
    /// The server has ended, or cut it off.
    pub ended: bool,
}

impl Peer {
    /// Both ends of a new socket.
    pub fn pair() -> (Self, TcpStream) {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let peer = Self {
            stream: Some(client),
            unread: Vec::new(),
            said: 0,
            ended: false,
        };
        (peer, TcpStream::from(OwnedFd::from(server)))
    }

    pub fn has_hung_up(&self) -> bool {
        self.stream.is_none()
    }

    /// Nothing more will come.
    pub fn is_over(&self) -> bool {
        self.ended || self.has_hung_up()
    }

    /// A frame was cut short.
    pub fn is_cut(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Say something; false when it cannot any more.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.said += bytes.len();
        match &mut self.stream {
            Some(stream) if self.said <= MAX_SAID => stream.write_all(bytes).is_ok(),
            _ => false,
        }
    }

    /// Read all that has come.
    ///
    /// # Errors
    /// When no server may send it.
    pub fn read(&mut self) -> Result<Vec<Got>, String> {
        let Some(stream) = &mut self.stream else {
            return Ok(Vec::new());
        };
        let mut buffer = [0; 1 << 14];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(read) => {
                    self.unread.extend_from_slice(&buffer[..read]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The server closed while something of ours was unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
                Err(error) => return Err(format!("a client cannot read: {error}")),
            }
            break;
        }
        let mut got = Vec::new();
        let mut at = 0;
        while let Some((frame, len)) = parse(&self.unread[at..])? {
            got.push(frame);
            at += len;
        }
        self.unread.drain(..at);
        Ok(got)
    }

    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    pub fn end_writing(&mut self) {
        self.said = MAX_SAID + 1;
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Write); // an error when the server was first
        }
    }
}
