//! The socket at which `hotspare check` asks. Clients may be slow, hostile or gone: each has a thread of its own, a
//! bounded line, and a bounded time.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hotspare_device::files::{CheckReply, CheckRequest, CheckResult, CheckTarget, Health, MAX_REQUEST};

use crate::board::Board;
use crate::worker::{Command, result};

/// Clients at once. More are turned away by closing.
const MAX_CLIENTS: usize = 16;

/// Clients that are accepted before the caller sees to its other duties again.
const ACCEPTED_AT_ONCE: usize = 64;

/// How long a client may take to send its line, and to take its reply.
const CLIENT_TIME: Duration = Duration::from_secs(2);

/// How long a check may take beyond the wait for the timer before it is said to block.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// What clients are served from.
pub(crate) struct Control {
    pub(crate) board: Arc<Board>,
    /// For each device on the board, its thread.
    pub(crate) workers: Vec<SyncSender<Command>>,
    clients: AtomicUsize,
}

impl Control {
    pub(crate) fn new(board: Arc<Board>, workers: Vec<SyncSender<Command>>) -> Self {
        Self { board, workers, clients: AtomicUsize::new(0) }
    }

    /// Takes the clients that wait at `listener`, which doesn't block.
    pub(crate) fn accept(self: &Arc<Self>, listener: &UnixListener) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Ok((client, _)) = listener.accept() else { return };
            if self.clients.fetch_add(1, Ordering::AcqRel) >= MAX_CLIENTS {
                self.clients.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let place = Place(Arc::clone(self));
            let spawned = std::thread::Builder::new().name("client".into()).spawn(move || {
                if let Err(error) = place.0.serve(&client) {
                    tracing::debug!("a client of the socket was not served: {error}");
                }
            });
            if let Err(error) = spawned {
                tracing::warn!("a client of the socket was turned away: {error}");
            }
        }
    }

    fn serve(&self, client: &UnixStream) -> io::Result<()> {
        let reply = match read_request(client)? {
            Ok(request) => self.check(&request.check),
            Err(why) => CheckReply::Error(why),
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        write_within(client, &line, Instant::now() + CLIENT_TIME)
    }

    fn check(&self, target: &CheckTarget) -> CheckReply {
        let reports = self.board.reports();
        let wanted: Vec<usize> = (0..reports.len())
            .filter(|place| match target {
                CheckTarget::All => true,
                CheckTarget::Device(address) => {
                    reports.get(*place).is_some_and(|report| report.address == *address)
                }
            })
            .collect();
        if let (CheckTarget::Device(address), true) = (target, wanted.is_empty()) {
            let known: Vec<_> = reports.iter().map(|report| report.address.to_string()).collect();
            return CheckReply::Error(format!(
                "{address} is not monitored; monitored are: {}",
                known.join(", ")
            ));
        }
        // All are asked first, so that they check at the same time.
        let asked: Vec<_> = wanted
            .into_iter()
            .map(|place| {
                let (sender, receiver) = sync_channel(1);
                let sent = self
                    .workers
                    .get(place)
                    .is_some_and(|worker| worker.try_send(Command::Check(sender)).is_ok());
                let timer = reports.get(place).and_then(|report| report.timer_ms).unwrap_or_default();
                (
                    place,
                    sent.then_some((receiver, Instant::now() + Duration::from_millis(timer) + CHECK_TIME)),
                )
            })
            .collect();
        let results = asked.into_iter().filter_map(|(place, answer)| {
            let waited = answer.and_then(|(receiver, until)| {
                receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            });
            waited.or_else(|| self.no_answer(place))
        });
        CheckReply::Results(results.collect())
    }

    fn no_answer(&self, place: usize) -> Option<CheckResult> {
        let report = self.board.report(place)?;
        let known = result(&report);
        let why =
            "the check doesn't return: the driver blocks in reading or writing the device's files".to_owned();
        let health = if known.passed { Health::Unknown } else { known.health };
        Some(CheckResult { passed: false, health, why, ..known })
    }
}

/// One of the places of [`MAX_CLIENTS`], given back on drop.
struct Place(Arc<Control>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Listens at `path`, where nobody else does: the run directory's lock is held.
pub(crate) fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Under the umask 022 only the owner could connect until now.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The request, or what is wrong with it.
fn read_request(client: &UnixStream) -> io::Result<Result<CheckRequest, String>> {
    let until = Instant::now() + CLIENT_TIME;
    let mut line = Vec::new();
    let mut piece = [0_u8; 512];
    while !line.contains(&b'\n') {
        if line.len() >= MAX_REQUEST {
            return Ok(Err(format!("the request is longer than {MAX_REQUEST} bytes")));
        }
        client.set_read_timeout(Some(remaining(until)?))?;
        let mut from = client;
        match from.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => line.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let request: Result<CheckRequest, _> = serde_json::from_slice(line);
    Ok(match request {
        Ok(request) if request.version != CheckRequest::VERSION => Err(format!(
            "this daemon speaks version {} of the protocol, not {}; use programs of one release",
            CheckRequest::VERSION,
            request.version
        )),
        Ok(request) => Ok(request),
        Err(error) => Err(format!("this is no request: {error}")),
    })
}

fn write_within(client: &UnixStream, mut rest: &[u8], until: Instant) -> io::Result<()> {
    let mut to = client;
    while !rest.is_empty() {
        client.set_write_timeout(Some(remaining(until)?))?;
        let written = to.write(rest)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

fn remaining(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        rest => Ok(rest),
    }
}
