//! Scripted devices that serve any number of users in threads of their own, and what tests look at.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::scripted::{PATIENCE, ScriptedDevice, ScriptedListener};
use hotspare_device::drivers::emulated::wire::descriptor::RequestDescriptor;
use hotspare_device::drivers::emulated::wire::payload::part_count;
use hotspare_device::stats::{Counter, Sum, read_all};
use hotspare_device::{Request, State};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::known_answers::{self, KnownAnswer};
use crate::{Completion, Config, Offload};

/// Law 4's bound in tests: the deadline set there, one software operation, and what a busy machine may add.
pub(super) const NO_ENDLESS_WAIT: Duration = Duration::from_secs(15);

/// A directory with devices in it.
pub(super) struct Rig {
    pub(super) directory: PathBuf,
    pub(super) devices: Vec<TestDevice>,
}

/// One device.
pub(super) struct TestDevice {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    mode: Mutex<Mode>,
    users: Mutex<Vec<Arc<Mutex<User>>>>,
    epoch: AtomicU64,
    /// Good answers given, those to known-answer requests included.
    answered: AtomicU64,
    stop: AtomicBool,
}

/// What a device does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Answers.
    Good,
    /// Takes them and says nothing.
    Silent,
    /// Answers with one bit wrong.
    Wrong,
    /// Says that there is no result.
    Rejecting,
    /// Finds every signature right, and answers all else.
    Gullible,
}

struct User {
    device: ScriptedDevice,
    held: Vec<RequestDescriptor>,
    /// In error: takes requests and forgets them.
    failed: bool,
}

/// Requests whose answers every scripted device knows.
pub(super) fn requests() -> Vec<KnownAnswer> {
    known_answers::all().into_iter().filter(|known| !known.is_not).collect()
}

/// The one with this place in [`requests`]: 0 RSA private, 1 RSA public, 2 ECDSA, 3 EC multiply, 4 X25519, 5 ECDSA verification.
pub(super) fn request(place: usize) -> Request {
    requests().swap_remove(place).request
}

pub(super) fn expected(place: usize) -> &'static [u8] {
    requests()[place].expected
}

/// Whether `output` is a right result of the request with this place. A signature made in software has another nonce, and so
/// other bytes, than the published one.
pub(super) fn is_right(place: usize, output: &[u8]) -> bool {
    /// RFC 6979, A.2.5: the public key, uncompressed.
    const PUBLIC_KEY: &str = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
                              7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    if place != 2 {
        return output == expected(place);
    }
    let digits = PUBLIC_KEY.as_bytes().chunks(2);
    let key: Vec<u8> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, key);
    key.verify(b"sample", output).is_ok()
}

impl Rig {
    pub(super) fn new(count: usize) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("hotspare-offload-{}-{number}", std::process::id()));
        std::fs::create_dir_all(directory.join("run/hotspare-emulator")).unwrap();
        let devices = (0..count)
            .map(|device| {
                TestDevice::new(directory.join(format!("run/hotspare-emulator/0000:{device:02x}:00.0.sock")))
            })
            .collect();
        Self { directory, devices }
    }

    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.set("devices", &format!("emulated:{}", self.directory.display())).unwrap();
        config.set("stats_dir", self.stats().to_str().unwrap()).unwrap();
        // Far from what a busy machine makes of an answer that comes at once.
        config.set("deadline_ms", "2000").unwrap();
        config.set("connect_timeout_ms", "10000").unwrap();
        config
    }

    pub(super) fn offload(&self) -> Offload {
        Offload::new(self.config())
    }

    fn stats(&self) -> PathBuf {
        self.directory.join("stats")
    }

    pub(super) fn sum(&self) -> Sum {
        let (processes, errors) = read_all(&self.stats()).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        let mut sum = Sum::default();
        for process in processes {
            sum.add(&process.sum);
        }
        sum
    }

    /// Counters that must be just these; all others of law 2 zero, and the law itself.
    pub(super) fn assert_counters(&self, wanted: &[(Counter, u64)]) {
        let sum = self.sum();
        assert_eq!(sum.imbalance(), 0, "law 2");
        use Counter::{
            Abandoned, CallerErrors, Hardware, InFlight, Refused, ReplayedHardware, Software, Submitted,
        };
        let all =
            [Submitted, Hardware, ReplayedHardware, Software, CallerErrors, Refused, Abandoned, InFlight];
        for counter in all.into_iter().chain(wanted.iter().map(|(counter, _)| *counter)) {
            let value = wanted.iter().find(|(named, _)| *named == counter).map_or(0, |(_, value)| *value);
            assert_eq!(sum.value(counter), value, "{}", counter.name());
        }
    }

    /// Waits until a counter has reached a value.
    pub(super) fn until(&self, counter: Counter, value: u64) {
        eventually(&format!("{} = {value}", counter.name()), || self.sum().value(counter) == value);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.devices.clear();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Waits for something that has to come true.
pub(super) fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "did not come true: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl TestDevice {
    pub(super) fn new(path: PathBuf) -> Self {
        let shared = Arc::new(Shared {
            path,
            mode: Mutex::new(Mode::Good),
            users: Mutex::new(Vec::new()),
            epoch: AtomicU64::new(1),
            answered: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let mut device = Self { shared, thread: None };
        device.appear();
        device
    }

    /// Begins to serve.
    pub(super) fn appear(&mut self) {
        let shared = self.shared.clone();
        shared.stop.store(false, Ordering::SeqCst);
        let listener = ScriptedListener::new(&shared.path).unwrap();
        self.thread = Some(std::thread::spawn(move || serve(&shared, &listener)));
    }

    /// Goes away as a killed process does: connections close, nothing is said.
    pub(super) fn vanish(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.shared.users.lock().unwrap().clear();
        let _ = std::fs::remove_file(&self.shared.path);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    pub(super) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// How many requests it has taken and not answered.
    pub(super) fn held(&self) -> usize {
        self.users().iter().map(|user| user.lock().unwrap().held.len()).sum()
    }

    /// Waits until it holds so many.
    pub(super) fn until_held(&self, count: usize) {
        eventually(&format!("{count} requests held"), || self.held() == count);
    }

    pub(super) fn user_count(&self) -> usize {
        self.users().len()
    }

    /// A fatal error.
    pub(super) fn fail(&self) {
        let epoch = self.shared.epoch.load(Ordering::SeqCst);
        for user in self.users() {
            let mut user = user.lock().unwrap();
            user.failed = true;
            user.device.set_state(State::Error, epoch);
        }
    }

    /// A restart: what it had is forgotten, a new epoch begins.
    pub(super) fn restart(&self) {
        self.set(Mode::Good);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for user in self.users() {
            let mut user = user.lock().unwrap();
            user.held.clear();
            user.failed = false;
            user.device.restart();
        }
    }

    /// Answers the request that it has held back longest.
    pub(super) fn answer_first_held(&self) {
        for user in self.users() {
            let mut user = user.lock().unwrap();
            let request = user.held.remove(0);
            answer(&self.shared, &mut user.device, &request, Mode::Good);
        }
    }

    /// Answers the request that came last.
    pub(super) fn answer_last_held(&self) {
        for user in self.users() {
            let mut user = user.lock().unwrap();
            if let Some(request) = user.held.pop() {
                answer(&self.shared, &mut user.device, &request, Mode::Good);
            }
        }
    }

    /// Answers, rightly and late, what it has held back.
    pub(super) fn answer_held(&self) {
        for user in self.users() {
            let mut user = user.lock().unwrap();
            for request in std::mem::take(&mut user.held) {
                answer(&self.shared, &mut user.device, &request, Mode::Good);
            }
        }
    }

    fn users(&self) -> Vec<Arc<Mutex<User>>> {
        self.shared.users.lock().unwrap().clone()
    }
}

impl Drop for TestDevice {
    fn drop(&mut self) {
        self.vanish();
    }
}

fn serve(shared: &Arc<Shared>, listener: &ScriptedListener) {
    let mut threads = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        if !readable(listener.as_fd()) {
            continue;
        }
        if let Ok(device) = listener.welcome(shared.epoch.load(Ordering::SeqCst)) {
            let user = Arc::new(Mutex::new(User { device, held: Vec::new(), failed: false }));
            shared.users.lock().unwrap().push(user.clone());
            let shared = shared.clone();
            threads.push(std::thread::spawn(move || serve_user(&shared, &user)));
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

fn readable(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    let moment = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&moment)) == Ok(1)
}

fn serve_user(shared: &Arc<Shared>, user: &Arc<Mutex<User>>) {
    let doorbell = user.lock().unwrap().device.request_doorbell().try_clone().unwrap();
    let connection = user.lock().unwrap().device.connection().try_clone().unwrap();
    let mut rung = true;
    while !shared.stop.load(Ordering::SeqCst) {
        // Of requests it hears by its doorbell alone.
        if rung {
            let mut user = user.lock().unwrap();
            while let Ok(Some(request)) = user.device.try_take() {
                if user.failed || request.epoch != user.device.epoch() {
                    continue;
                }
                match *shared.mode.lock().unwrap() {
                    Mode::Silent => user.held.push(request),
                    mode => answer(shared, &mut user.device, &request, mode),
                }
            }
        }
        let moment = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        let mut descriptors =
            [PollFd::new(&doorbell, PollFlags::IN), PollFd::new(&connection, PollFlags::IN)];
        let _ = rustix::event::poll(&mut descriptors, Some(&moment));
        rung = !descriptors[0].revents().is_empty();
        if !descriptors[1].revents().is_empty() {
            break;
        }
    }
    shared.users.lock().unwrap().retain(|other| !Arc::ptr_eq(other, user));
}

/// What devices know.
fn answers() -> &'static [KnownAnswer] {
    static ANSWERS: OnceLock<Vec<KnownAnswer>> = OnceLock::new();
    ANSWERS.get_or_init(known_answers::all)
}

fn answer(shared: &Shared, device: &mut ScriptedDevice, request: &RequestDescriptor, mode: Mode) {
    use hotspare_device::drivers::emulated::wire::descriptor::{
        ResponseDescriptor, STATUS_REJECTED, operation, operation_code,
    };
    if mode == Mode::Rejecting {
        let (sequence, epoch, slot) = (request.sequence, request.epoch, request.slot);
        device
            .respond(ResponseDescriptor { sequence, epoch, status: STATUS_REJECTED, output_length: 0, slot })
            .unwrap();
        return;
    }
    // The operands follow the key: it is enough to compare the last.
    let last = part_count(operation(request.operation).unwrap()) - 1;
    // A user that went away has wiped its memory.
    let Ok(operand) = device.part(request, last) else { return };
    let known = answers().iter().find(|known| {
        let operands = known.request.operands();
        let own = (0..4).map(|index| operands.part(index)).rfind(|part| !part.is_empty());
        operation_code(known.request.operation()) == Some(request.operation) && own == Some(&operand[..])
    });
    let mut output = match known {
        Some(known) if known.is_not && mode != Mode::Gullible => vec![0; known.expected.len()],
        Some(known) => known.expected.to_vec(),
        None => vec![0; request.output_length as usize],
    };
    if mode == Mode::Wrong {
        output[0] ^= 1;
    }
    // Counted before it is given: who has the answer sees the count.
    shared.answered.fetch_add(1, Ordering::SeqCst);
    device.answer(request, &output).unwrap();
}

/// A completion, and what receives something whenever its ticket is worth polling.
pub(super) fn worth_polling() -> (std::sync::mpsc::Receiver<()>, Completion) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let notice = move || {
        // Who no longer waits is woken in vain.
        let _ = sender.send(());
    };
    (receiver, wake(notice))
}

/// A completion that runs `work` whenever a ticket is worth polling.
pub(super) fn wake(work: impl Fn() + Send + Sync + 'static) -> Completion {
    struct Work<F>(F);
    impl<F: Fn() + Send + Sync> std::task::Wake for Work<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Completion::Wake(Arc::new(Work(work)).into())
}

/// The names of this process's threads.
pub(super) fn thread_names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect()
}

pub(super) fn exists(path: &Path) -> bool {
    path.exists()
}
