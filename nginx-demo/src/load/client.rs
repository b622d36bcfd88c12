//! One visit: connect, a full handshake with the server's certificate verified, a request, its answer, an orderly end.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::ring::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use crate::error::{DemoError, strange};
use crate::world::{Certificates, PORTS};

/// A server that doesn't answer for so long has failed the handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that makes sense.
const MAX_ANSWER: u64 = 4096;

/// What a client prefers, and so gets; the other is offered too, since a P-256 certificate needs P-256 among the groups
/// in TLS 1.2 (RFC 8422, section 5.1).
const GROUPS: [(&str, [&dyn SupportedKxGroup; 2]); 2] =
    [("X25519", [kx_group::X25519, kx_group::SECP256R1]), ("P-256", [kx_group::SECP256R1, kx_group::X25519])];
const VERSIONS: [(&str, &SupportedProtocolVersion); 2] = [("TLS 1.3", &TLS13), ("TLS 1.2", &TLS12)];

/// What kind of a visit it is: server, group and version take turns, so that every kind of request occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    number: u64,
    server: usize,
    group: usize,
    version: usize,
}

impl Visit {
    pub(super) fn number(number: u64) -> Self {
        let bit = |bit: u32| usize::from(number >> bit & 1 == 1);
        Self { number, server: bit(0), group: bit(1), version: bit(2) }
    }
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, group) = (Certificates::SERVERS[self.server], GROUPS[self.group].0);
        write!(f, "visit {} ({server}, {group}, {})", self.number, VERSIONS[self.version].0)
    }
}

/// What all clients share. They keep nothing from one visit to the next: each handshake is a full one.
pub(super) struct Client {
    /// By group and version.
    configurations: Vec<Vec<Arc<ClientConfig>>>,
    names: Vec<ServerName<'static>>,
}

/// Why a visit failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum VisitError {
    #[error("connecting: {0}")]
    Connect(io::Error),
    #[error("handshake: {0}")]
    Handshake(io::Error),
    #[error("request: {0}")]
    Request(io::Error),
    #[error("wrong answer: {0:?}")]
    Answer(String),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Client {
    pub(super) fn new(certificates: &Certificates) -> Result<Self, DemoError> {
        let authority = CertificateDer::from_pem_file(certificates.certificate("authority"))
            .map_err(strange("the authority's certificate"))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let roots = Arc::new(roots);
        let configuration = |groups: [_; 2], version| -> Result<_, rustls::Error> {
            let provider = CryptoProvider { kx_groups: groups.to_vec(), ..default_provider() };
            let mut configuration = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_protocol_versions(&[version])?
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            configuration.resumption = Resumption::disabled();
            Ok(Arc::new(configuration))
        };
        let configurations = GROUPS
            .iter()
            .map(|(_, groups)| VERSIONS.iter().map(|(_, version)| configuration(*groups, *version)).collect())
            .collect::<Result<_, _>>()?;
        let names = Certificates::SERVERS
            .iter()
            .map(|server| ServerName::try_from(Certificates::host(server)))
            .collect::<Result<_, _>>()
            .map_err(strange("the servers' names"))?;
        Ok(Self { configurations, names })
    }

    /// Makes a visit. Returns how long it took from the connection to the end of the handshake.
    pub(super) fn visit(&self, visit: Visit) -> Result<Duration, VisitError> {
        let configuration = self.configurations[visit.group][visit.version].clone();
        let mut session = ClientConnection::new(configuration, self.names[visit.server].clone())?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS[visit.server]));
        let began = Instant::now();
        let mut socket = connect(address).map_err(VisitError::Connect)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(VisitError::Handshake)?;
        }
        let took = began.elapsed();
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        let host = Certificates::host(Certificates::SERVERS[visit.server]);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        stream
            .write_all(request.as_bytes())
            // Without the server's close_notify, reading to the end is an error.
            .and_then(|()| stream.take(MAX_ANSWER).read_to_end(&mut answer))
            .map_err(VisitError::Request)?;
        let body = format!("\r\n\r\n{}\n", Certificates::SERVERS[visit.server]);
        if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(body.as_bytes()) {
            return Ok(took);
        }
        Err(VisitError::Answer(String::from_utf8_lossy(&answer).into_owned()))
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn eight_visits_are_of_eight_kinds() {
        let kinds: BTreeSet<_> =
            (0..8).map(Visit::number).map(|visit| (visit.server, visit.group, visit.version)).collect();
        assert_eq!(kinds.len(), 8);
        assert_eq!(Visit::number(5).to_string(), "visit 5 (ecdsa, X25519, TLS 1.2)");
    }
}
