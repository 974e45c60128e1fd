//! TLS before a simulator: what comes encrypted goes on plain, and back.
//!
//! In: a simulator's address · Out: an `https` address · Thread: two a connection, and one that accepts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ServerConfig, ServerConnection};

use super::peer::tls_config;

/// A relay; it ends with the process, its connections with either side.
pub struct Front {
    address: SocketAddr,
}

impl Front {
    /// Relays to `simulator`, with the certificate `server` of the fixtures.
    pub fn start(simulator: SocketAddr) -> Self {
        let config = tls_config("server");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The simulator may be gone: then the client sees its connection end.
                if let Ok(inner) = TcpStream::connect(simulator) {
                    relay(client, inner, Arc::clone(&config));
                }
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

fn relay(client: TcpStream, inner: TcpStream, config: Arc<ServerConfig>) {
    let session = Arc::new(Mutex::new(ServerConnection::new(config).expect("a session")));
    let up = (
        client.try_clone().expect("a handle"),
        inner.try_clone().expect("a handle"),
        Arc::clone(&session),
    );
    std::thread::spawn(move || {
        let (mut client, mut inner, session) = up;
        // An end here is an end for the simulator, which sees a client that is gone.
        let _ = upwards(&mut client, &mut inner, &session);
        let _ = inner.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let (mut client, mut inner) = (client, inner);
        if downwards(&mut inner, &mut client, &session).is_err() {
            // A reset stays a reset.
            let _ = socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO));
        }
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn upwards(client: &mut TcpStream, inner: &mut TcpStream, session: &Mutex<ServerConnection>) -> io::Result<()> {
    let mut block = vec![0; 16 * 1024];
    loop {
        let read = client.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        let mut bytes = &block[..read];
        let mut plain = Vec::new();
        {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            while !bytes.is_empty() {
                session.read_tls(&mut bytes)?;
                session.process_new_packets().map_err(io::Error::other)?;
                let mut some = [0; 4096];
                while let Ok(count @ 1..) = session.reader().read(&mut some) {
                    plain.extend_from_slice(&some[..count]);
                }
            }
            while session.wants_write() {
                session.write_tls(client)?;
            }
        }
        inner.write_all(&plain)?;
    }
}

fn downwards(inner: &mut TcpStream, client: &mut TcpStream, session: &Mutex<ServerConnection>) -> io::Result<()> {
    let mut block = vec![0; 16 * 1024];
    loop {
        let read = inner.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        session.writer().write_all(&block[..read])?;
        while session.wants_write() {
            session.write_tls(client)?;
        }
    }
}
