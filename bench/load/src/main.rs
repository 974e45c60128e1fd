//! The load of the benchmarks: plays the service on a loopback port, then sends frames that were made beforehand.
//!
//! In: options, lines on stdin where it stops · Out: lines on stdout (`listening`, `sending`, `sent`, `expected`) · Thread:
//! main, and one for each connection.

mod call;
mod frames;
mod options;
mod send;
mod service;
mod text;

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use options::Options;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use service::Service;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Whatever happens to its client, the process ends after this long.
const LIMIT: Duration = Duration::from_secs(180);

fn main() -> Result<(), AnyError> {
    let options = Options::from_args(std::env::args().skip(1))?;
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        eprintln!("load: nobody ended it within {} s", LIMIT.as_secs());
        std::process::exit(1);
    });
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let service = Arc::new(Service {
        port,
        queues: options.queues,
        is_tls: options.tls.is_some(),
        channels: Mutex::new(HashMap::new()),
    });
    println!("listening {port}");
    if let Some(folder) = &options.tls {
        let certificates = CertificateDer::pem_reader_iter(BufReader::new(File::open(folder.join("server.pem"))?));
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key.pem"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates.collect::<Result<_, _>>()?, key)?;
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (service, config) = (Arc::clone(&service), Arc::clone(&config));
                std::thread::spawn(move || serve_tls(connection, &service, config));
            }
        });
        // The process ends with stdin.
        return Ok(send::wait_for_line()?);
    }
    let options = Arc::new(options);
    // The first socket gets the events; the others are only answered.
    let first = Arc::new(Mutex::new(true));
    let (end, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (service, options) = (Arc::clone(&service), Arc::clone(&options));
            let (first, end) = (Arc::clone(&first), end.clone());
            std::thread::spawn(move || {
                if let Some(result) = serve(connection, &service, &options, &first).transpose() {
                    // Main waits for the first socket only.
                    let _ = end.send(result);
                }
            });
        }
    });
    ended.recv()??;
    // The client may still delete its subscriptions; the process ends with stdin.
    Ok(send::wait_for_line()?)
}

/// Serves one connection; `Some` if it was the socket that got the events.
fn serve(
    mut connection: TcpStream,
    service: &Service,
    options: &Options,
    first: &Mutex<bool>,
) -> Result<Option<()>, AnyError> {
    connection.set_nodelay(true)?;
    let Ok(Some(_)) = service.serve(&mut connection) else {
        return Ok(None);
    };
    let is_first = std::mem::take(&mut *first.lock().expect("no thread panics while it holds the flag"));
    if is_first {
        send::run(connection, options).map(Some)
    } else {
        let (answers, _ignored) = std::sync::mpsc::channel();
        send::listen(connection, &answers);
        Ok(None)
    }
}

/// Serves one connection over TLS; a socket is answered only.
fn serve_tls(connection: TcpStream, service: &Service, config: Arc<ServerConfig>) {
    let Ok(session) = ServerConnection::new(config) else {
        return;
    };
    let mut stream = StreamOwned::new(session, connection);
    match service.serve(&mut stream) {
        Ok(Some(_)) => {
            println!("sending {}", send::now_ns());
            send::answer(stream);
        }
        _ => {
            stream.conn.send_close_notify();
            // The client may be gone already.
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
    }
}
