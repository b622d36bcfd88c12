//! The log, to standard error through a thread: whoever doesn't read it delays nobody.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

/// Lines that wait for their reader. More are dropped.
const LINES: usize = 1024;

/// How long the end of the daemon waits for its last lines to be read.
const FAREWELL: Duration = Duration::from_millis(500);

/// Starts logging what is at least as important as `level`. To be kept until the end.
pub(crate) fn start(level: LevelFilter) -> io::Result<Log> {
    let (lines, waiting) = sync_channel(LINES);
    let (done, end) = sync_channel(1);
    thread::Builder::new().name("log".into()).spawn(move || {
        copy(&waiting);
        let _ = done.try_send(());
    })?;
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        .with_writer(move || Line(writer.clone()))
        .init();
    Ok(Log { lines, end })
}

/// Ends logging when it is dropped.
pub(crate) struct Log {
    lines: SyncSender<Message>,
    end: Receiver<()>,
}

enum Message {
    Text(Vec<u8>),
    End,
}

impl Drop for Log {
    fn drop(&mut self) {
        // If there is no room even for this, nobody reads.
        if self.lines.try_send(Message::End).is_ok() {
            let _: Result<(), RecvTimeoutError> = self.end.recv_timeout(FAREWELL);
        }
    }
}

fn copy(lines: &Receiver<Message>) {
    while let Ok(Message::Text(line)) = lines.recv() {
        // Standard error may be closed; there is nowhere to say so.
        let _ = io::stderr().write_all(&line);
    }
}

struct Line(SyncSender<Message>);

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match self.0.try_send(Message::Text(text.to_vec())) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Ok(text.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
