//! The driver of the emulated device passes the conformance suite, with a scripted device that can do everything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use hotspare_device::conformance::{self, Action, PATIENCE, Ready, Stand, Subject};
use hotspare_device::drivers::emulated::scripted::{ScriptedDevice, ScriptedListener};
use hotspare_device::drivers::emulated::socket_path;
use hotspare_device::drivers::emulated::wire::descriptor::{
    OperationSet, RequestDescriptor, ResponseDescriptor, STATUS_DONE, operation_code,
};
use hotspare_device::drivers::emulated::wire::payload;
use hotspare_device::shared_memory::SharedMemory;
use hotspare_device::{InstanceOptions, MontgomeryCurve, Operation, State};
use rustix::event::{EventfdFlags, PollFd, PollFlags};

#[test]
fn the_emulated_driver_conforms() {
    let report = conformance::run(Arc::new(ScriptedStand { operations: OperationSet::ALL }));
    println!("{report}");
    assert!(report.passed(), "{report}");
    assert_eq!(report.not_run(), ["an_operation_that_it_lacks_is_refused"]);
}

#[test]
fn the_emulated_driver_conforms_with_a_device_that_has_one_operation() {
    let x25519 = Operation::MontgomeryMultiply(MontgomeryCurve::X25519);
    let stand = Arc::new(ScriptedStand { operations: OperationSet::of(&[x25519]) });
    for part in ["every_operation", "that_it_lacks", "exactly_once"] {
        let report = conformance::run_matching(stand.clone(), part);
        assert_eq!(report.findings.len(), 1, "{part}");
        assert!(report.passed() && report.not_run().is_empty(), "{report}");
    }
}

/// Devices that are told what to answer: they know the kit's requests.
struct ScriptedStand {
    operations: OperationSet,
}

impl Stand for ScriptedStand {
    fn can(&self, _action: Action) -> bool {
        true
    }

    fn set_up(&self, options: &InstanceOptions) -> Result<Ready, String> {
        let subject = ScriptedSubject::start(self.operations);
        let driver = hotspare_device::open(&format!("emulated:{}", subject.root.display())).unwrap();
        let device = driver.devices().unwrap().swap_remove(0);
        let instance = device.open_instance(options).map_err(|error| error.to_string())?;
        Ok(Ready { instance, subject: Box::new(subject) })
    }
}

type Order = (Action, mpsc::Sender<()>);

/// A device in a thread.
struct ScriptedSubject {
    root: PathBuf,
    /// None asks the thread to end.
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    bell: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedSubject {
    fn start(operations: OperationSet) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hotspare-conformance-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let socket = socket_path(&root, "0000:6b:00.0".parse().unwrap());
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        let bell = Arc::new(bell);
        let (sender, orders) = mpsc::channel();
        let device = Device {
            listener: Some(ScriptedListener::new(&socket).unwrap()),
            socket,
            operations,
            answers: answers(),
            served: None,
            epoch: 1,
            answers_at_once: true,
            in_error: false,
            held: Vec::new(),
        };
        let theirs = bell.clone();
        let thread = std::thread::spawn(move || device.run(&orders, &theirs));
        Self { root, orders: Mutex::new(Some(sender)), bell, thread: Some(thread) }
    }

    fn ring(&self) {
        rustix::io::write(&*self.bell, &1_u64.to_ne_bytes()).unwrap();
    }
}

impl Subject for ScriptedSubject {
    fn act(&self, action: Action) -> Result<(), String> {
        let (done, is_done) = mpsc::channel();
        self.orders.lock().unwrap().as_ref().unwrap().send((action, done)).map_err(|_| "it has ended")?;
        self.ring();
        is_done.recv_timeout(PATIENCE).map_err(|error| error.to_string())
    }
}

impl Drop for ScriptedSubject {
    fn drop(&mut self) {
        self.orders.lock().unwrap().take();
        self.ring();
        let ended = self.thread.take().unwrap().join();
        let _ = std::fs::remove_dir_all(&self.root);
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

/// Operation and payload of each of the kit's requests, and its answer.
fn answers() -> HashMap<(u32, Vec<u8>), Vec<u8>> {
    let (_file, memory) = SharedMemory::create(c"samples", 8192).unwrap();
    let sample = |sample: conformance::Sample| {
        memory.wipe(0, 8192).unwrap();
        let length = payload::write(&memory, 0, &sample.request).unwrap();
        let mut copy = vec![0; length as usize];
        memory.read(0, &mut copy).unwrap();
        ((operation_code(sample.request.operation()).unwrap(), copy), sample.expected)
    };
    conformance::samples().unwrap().into_iter().map(sample).collect()
}

/// The device's side.
struct Device {
    socket: PathBuf,
    /// None while it is away.
    listener: Option<ScriptedListener>,
    operations: OperationSet,
    answers: HashMap<(u32, Vec<u8>), Vec<u8>>,
    /// Its user's rings.
    served: Option<ScriptedDevice>,
    epoch: u64,
    answers_at_once: bool,
    in_error: bool,
    held: Vec<RequestDescriptor>,
}

impl Device {
    fn run(mut self, orders: &mpsc::Receiver<Order>, bell: &OwnedFd) {
        loop {
            self.wait(bell);
            let _ = rustix::io::read(bell, &mut [0_u8; 8]);
            self.serve();
            loop {
                match orders.try_recv() {
                    Ok((action, done)) => {
                        // What was submitted before the order was given.
                        self.serve();
                        self.act(action);
                        let _ = done.send(());
                    }
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    /// Waits for a user, a request, or an order.
    fn wait(&mut self, bell: &OwnedFd) {
        let mut wanted = vec![PollFd::new(bell, PollFlags::IN)];
        if let Some(device) = &self.served {
            wanted.push(PollFd::new(device.request_doorbell(), PollFlags::IN));
        } else if let Some(listener) = &self.listener {
            wanted.push(PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
        }
        rustix::event::poll(&mut wanted, None).unwrap();
        let somebody_came = wanted.len() > 1 && !wanted[1].revents().is_empty() && self.served.is_none();
        if somebody_came {
            let listener = self.listener.as_ref().unwrap();
            self.served = Some(listener.welcome_with(self.epoch, self.operations).unwrap());
        }
    }

    fn device(&mut self) -> &mut ScriptedDevice {
        self.served.as_mut().unwrap()
    }

    /// Takes all requests out of the ring, and does with them what is due.
    fn serve(&mut self) {
        while let Some(device) = &mut self.served {
            let Some(request) = device.try_take().unwrap() else { return };
            if request.epoch != device.epoch() || self.in_error {
                continue;
            }
            self.held.push(request);
            if self.answers_at_once {
                self.answer_newest();
            }
        }
    }

    fn answer_newest(&mut self) {
        let request = self.held.pop().unwrap();
        let payload = self.device().payload(&request).unwrap();
        // A user that has gone has wiped what it asked.
        let answer = self.answers.get(&(request.operation, payload)).cloned().unwrap_or_default();
        self.device().answer(&request, &answer).unwrap();
    }

    fn answer_all_held(&mut self) {
        while !self.held.is_empty() {
            self.answer_newest();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Hold | Action::FallSilent => self.answers_at_once = false,
            Action::Release => {
                self.answer_all_held();
                self.answers_at_once = true;
            }
            Action::ReleaseNewest => self.answer_newest(),
            Action::Fail => {
                self.in_error = true;
                let epoch = self.device().epoch();
                self.device().set_state(State::Error, epoch);
            }
            Action::AnswerLate => {
                // The driver has wiped what was asked.
                for request in std::mem::take(&mut self.held) {
                    self.device().answer(&request, &[0xee; 32]).unwrap();
                }
            }
            Action::Restart => {
                self.held.clear();
                (self.in_error, self.answers_at_once) = (false, true);
                self.device().restart();
                self.epoch = self.device().epoch();
            }
            Action::AnswerTwice => {
                for request in self.held.clone() {
                    self.answer_all_held();
                    self.device().respond(good(&request, STATUS_DONE)).unwrap();
                }
                self.answers_at_once = true;
            }
            Action::AnswerNonsense => self.answer_nonsense(),
            Action::Vanish => {
                (self.served, self.listener) = (None, None);
                let _ = std::fs::remove_file(&self.socket);
            }
            Action::Return => {
                self.held.clear();
                (self.in_error, self.answers_at_once) = (false, true);
                self.epoch += 1;
                self.listener = Some(ScriptedListener::new(&self.socket).unwrap());
            }
            action => panic!("{action:?}"),
        }
    }

    fn answer_nonsense(&mut self) {
        let held = std::mem::take(&mut self.held);
        let first = good(&held[0], STATUS_DONE);
        for nonsense in [
            ResponseDescriptor { slot: u32::MAX, ..first },
            ResponseDescriptor { sequence: u64::MAX, ..first },
            ResponseDescriptor { epoch: first.epoch + 1, ..first },
        ] {
            self.device().respond(nonsense).unwrap();
        }
        for (number, request) in held.iter().enumerate() {
            let answer = match number % 2 {
                0 => good(request, 0xdead),
                _ => ResponseDescriptor { output_length: 31, ..good(request, STATUS_DONE) },
            };
            self.device().respond(answer).unwrap();
        }
        self.answers_at_once = true;
    }
}

fn good(request: &RequestDescriptor, status: u32) -> ResponseDescriptor {
    let RequestDescriptor { sequence, epoch, output_length, slot, .. } = *request;
    ResponseDescriptor { sequence, epoch, status, output_length, slot }
}
