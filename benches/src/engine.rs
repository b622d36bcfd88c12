//! Accelerators that answer at once, as `hotspare_device::drivers::emulated::instant` is one; but here one thread is any number
//! of devices, so that all of them spin on one processor, and a request may ask for an answer that takes long.
//!
//! They have X25519 only, and the one answer that is right for its known-answer request, so they are taken into use like any.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::instant::ANSWER;
use hotspare_device::drivers::emulated::scripted::{ScriptedDevice, ScriptedListener};
use hotspare_device::drivers::emulated::wire::descriptor::{
    OperationSet, RequestDescriptor, ResponseDescriptor, STATUS_DONE, STATUS_UNSUPPORTED,
};
use hotspare_device::drivers::emulated::wire::layout::{self, SLOT_OUTPUT};
use hotspare_device::{MontgomeryCurve, Operation};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::processor;

/// The thread's name.
pub const THREAD: &str = "instant-engine";

/// The u coordinate of the benchmarks' own X25519 request. What it is does not matter.
pub const PEER: [u8; 32] = [0x42; 32];

/// The u coordinate of a request that a device takes its time for.
pub const SLOW_PEER: [u8; 32] = [0x43; 32];

/// How long that is.
pub const SLOW: Duration = Duration::from_millis(100);

/// An X25519 payload: length and bytes of the scalar, length and bytes of u.
const PAYLOAD_BYTES: usize = 80;
const PAYLOAD_PEER: usize = 48;

/// After how many rounds without work the engine looks for new users, and for those that went away: some hundred microseconds.
const ROUNDS_BETWEEN_LOOKS: u32 = 20_000;

/// The running engine, which may be any number of devices. It ends when this is dropped.
pub struct Engine {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Serves so many devices of the emulator whose root is `root`, on this processor.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(root: &Path, devices: u8, cpu: usize) -> io::Result<Self> {
        std::fs::create_dir_all(root.join("run/hotspare-emulator"))?;
        let socket =
            |number| -> PathBuf { root.join(format!("run/hotspare-emulator/0000:{number:02x}:00.0.sock")) };
        let listeners = (0..devices).map(|number| ScriptedListener::new(&socket(number)));
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            processor::pin(cpu);
            Work { listeners, users: Vec::new(), held: Vec::new() }.run(&theirs);
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It never panics; if it did, its end is what we wanted.
            let _ = thread.join();
        }
    }
}

struct Work {
    listeners: Vec<ScriptedListener>,
    users: Vec<User>,
    /// Requests whose time is not over yet, and whose they are.
    held: Vec<(Instant, usize, RequestDescriptor)>,
}

struct User {
    device: ScriptedDevice,
    taken: u64,
    given: u64,
}

impl Work {
    fn run(mut self, stop: &AtomicBool) {
        let mut idle = ROUNDS_BETWEEN_LOOKS;
        while !stop.load(Ordering::Relaxed) {
            let mut served = false;
            for number in 0..self.users.len() {
                served |= self.serve(number);
            }
            if !self.held.is_empty() {
                self.release();
            }
            idle = if served { 0 } else { idle + 1 };
            if idle >= ROUNDS_BETWEEN_LOOKS {
                idle = 0;
                self.look_for_users();
            }
            std::hint::spin_loop();
        }
    }

    fn look_for_users(&mut self) {
        if self.held.is_empty() {
            self.users.retain(|user| !is_readable(user.device.connection()));
        }
        for listener in &self.listeners {
            if !is_readable(listener) {
                continue;
            }
            let x25519 = Operation::MontgomeryMultiply(MontgomeryCurve::X25519);
            if let Ok(device) = listener.welcome_with(1, OperationSet::of(&[x25519])) {
                // We never do: nobody need ring.
                device.set_word(layout::device::SLEEPING, 0);
                self.users.push(User { device, taken: 0, given: 0 });
            }
        }
    }

    /// Answers what this user has asked. False if that is nothing.
    fn serve(&mut self, number: usize) -> bool {
        let Self { users, held, .. } = self;
        let Some(user) = users.get_mut(number) else { return false };
        let produced = user.load(layout::user::REQUEST_PRODUCER);
        if produced == user.taken {
            return false;
        }
        while user.taken != produced {
            let place = user.device.shape.request(user.taken);
            let Ok(request) = RequestDescriptor::load(&user.device.memory, place) else { break };
            user.taken += 1;
            match user.peer(&request) {
                Some(SLOW_PEER) => held.push((Instant::now() + SLOW, number, request)),
                Some(_) => user.answer(&request),
                None => user.respond(&request, STATUS_UNSUPPORTED, 0),
            }
        }
        user.store(layout::device::REQUEST_CONSUMER, user.taken);
        user.publish();
        true
    }

    fn release(&mut self) {
        let now = Instant::now();
        let Self { users, held, .. } = self;
        held.retain(|(due, number, request)| {
            if *due > now {
                return true;
            }
            if let Some(user) = users.get_mut(*number) {
                user.answer(request);
                user.publish();
            }
            false
        });
    }
}

impl User {
    /// The u coordinate, if it is an X25519 request. All of the payload is read, as a device would.
    fn peer(&self, request: &RequestDescriptor) -> Option<[u8; 32]> {
        if request.payload_length as usize != PAYLOAD_BYTES || request.output_length as usize != ANSWER.len()
        {
            return None;
        }
        let mut payload = [0; PAYLOAD_BYTES];
        self.device.memory.read(self.device.shape.slot(request.slot), &mut payload).ok()?;
        payload.get(PAYLOAD_PEER..)?.try_into().ok()
    }

    fn answer(&mut self, request: &RequestDescriptor) {
        let place = self.device.shape.slot(request.slot) + SLOT_OUTPUT;
        let _ = self.device.memory.write(place, &ANSWER);
        self.respond(request, STATUS_DONE, request.output_length);
    }

    fn respond(&mut self, request: &RequestDescriptor, status: u32, output_length: u32) {
        let RequestDescriptor { sequence, epoch, slot, .. } = *request;
        let response = ResponseDescriptor { sequence, epoch, status, output_length, slot };
        let _ = response.store(&self.device.memory, self.device.shape.response(self.given));
        self.given += 1;
    }

    /// Shows the responses, and rings if the user sleeps.
    fn publish(&self) {
        self.store(layout::device::RESPONSE_PRODUCER, self.given);
        // As in the driver: either the user, about to sleep, sees the index, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.load(layout::user::SLEEPING) != 0 {
            self.device.ring();
        }
    }

    fn load(&self, offset: usize) -> u64 {
        // Acquire: what the index covers is seen with it.
        self.device.memory.word(offset).map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn store(&self, offset: usize, value: u64) {
        if let Ok(word) = self.device.memory.word(offset) {
            // Release: see `load`.
            word.store(value, Ordering::Release);
        }
    }
}

fn is_readable(fd: impl AsFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)) == Ok(1)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use hotspare_device::{Key, KeyMaterial, MontgomeryKey, Request};
    use hotspare_offload::{Completion, Config, Offload};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn its_devices_are_taken_into_use_and_a_slow_request_takes_its_time() {
        let scratch = Scratch::new().unwrap();
        let cpu = *processor::allowed().last().unwrap();
        let engine = Engine::start(scratch.path(), 2, cpu).unwrap();
        let mut config = Config { require_hardware: true, stats_dir: None, ..Config::default() };
        config.devices = vec![format!("emulated:{}", scratch.path().display())];
        // Far from what a busy machine makes of an answer that comes at once.
        config.deadline.floor = Duration::from_secs(20);
        config.instance.connect_timeout = Duration::from_secs(10);
        let offload = Offload::new(config);
        let material = MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: vec![7; 32] };
        let key = Key::new(KeyMaterial::Montgomery(material)).unwrap();
        let request = |peer| Request::montgomery_multiply(&key, peer).unwrap();
        let began = Instant::now();
        let mut slow = offload.submit(request(&SLOW_PEER), Completion::Poll);
        let slow = loop {
            offload.poll();
            if let Poll::Ready(result) = slow.poll() {
                break result;
            }
            assert_eq!(*offload.execute(request(&PEER)).unwrap(), ANSWER);
        };
        assert_eq!(*slow.unwrap(), ANSWER);
        assert!(began.elapsed() >= SLOW);
        drop(offload);
        drop(engine);
    }
}
