//! Threads that compute, threads that load and unload, and forks in between.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hotspare_tests::random::Random;

use crate::program::{JOB_THREADS, Orders, THREADS, fail, must};
use crate::world::World;
use crate::{cycles, jobs};

/// Loads and unloads in all.
pub(crate) const LOADS: usize = 1000;
/// Enough of them where the machine is to do other tests as well.
pub(crate) const FEW_LOADS: usize = 250;
/// Threads that load and unload.
const LOADERS: u64 = 4;
/// Forks in all, at least.
const FORKS: usize = 24;
/// The longest time between two forks, in milliseconds.
const FORK_MS: usize = 100;
/// The longest pause of a thread that computes, in milliseconds: they are many, and are not to keep all others waiting.
const BREATH_MS: usize = 20;
/// How long a child may take: longer is a hang.
const CHILD_LIMIT: Duration = Duration::from_secs(60);

struct Turmoil<'a> {
    orders: &'a Orders,
    worlds: Vec<World>,
    /// How many loads and unloads there are to be, and were.
    wanted: usize,
    loads: AtomicUsize,
    stop: AtomicBool,
    /// Held by whoever uses OpenSSL. OpenSSL promises nothing to a child that was forked while another thread held one of its
    /// locks, so whoever forks such a child that goes on computing keeps the others out for that moment. Hotspare's own threads
    /// work on.
    gate: RwLock<()>,
}

pub(crate) fn run(orders: &Orders, wanted: usize) {
    let before = cycles::threads();
    let turmoil = Turmoil {
        orders,
        worlds: must("making worlds", orders.worlds()),
        wanted,
        loads: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        gate: RwLock::new(()),
    };
    let forks = std::thread::scope(|scope| {
        let turmoil = &turmoil;
        let workers: Vec<_> =
            (0..THREADS).map(|number| scope.spawn(move || turmoil.compute(number))).collect();
        let loaders: Vec<_> =
            (THREADS..THREADS + LOADERS).map(|number| scope.spawn(move || turmoil.load(number))).collect();
        let forks = turmoil.fork_until(|| loaders.iter().all(|loader| loader.is_finished()));
        turmoil.stop.store(true, Ordering::Relaxed);
        // A scope waits for the work of its threads, not for their end. OpenSSL must have freed what it holds for each of
        // them before the library contexts go.
        for thread in workers.into_iter().chain(loaders) {
            thread.join().unwrap();
        }
        forks
    });
    eprintln!("{wanted} loads, {forks} forks");
    // The process's own library context stays until the exit.
    let mut worlds = turmoil.worlds;
    let own = worlds.remove(0);
    drop(worlds);
    let ours: Vec<_> = cycles::threads().into_iter().filter(|name| name.starts_with("hotspare-")).collect();
    assert!(ours.len() <= 2, "of one world: {ours:?}; before there was one: {before:?}");
    drop(own);
}

impl Turmoil<'_> {
    fn compute(&self, number: u64) {
        let mut random = self.orders.random(number);
        while !self.stop.load(Ordering::Relaxed) {
            let open = self.gate.read().unwrap();
            let world = random.choose(&self.worlds);
            let result = if number < JOB_THREADS {
                jobs::operate(world, &mut random)
            } else {
                world.operate(&mut random)
            };
            drop(open);
            must("computing", result);
            std::thread::sleep(Duration::from_millis(random.below(BREATH_MS).try_into().unwrap()));
        }
    }

    fn load(&self, number: u64) {
        let mut random = self.orders.random(number);
        while self.loads.fetch_add(1, Ordering::Relaxed) < self.wanted {
            let _open = self.gate.read().unwrap();
            must("loading and unloading", self.orders.load_and_unload(&self.worlds, &mut random));
        }
    }

    /// Forks until it has done so often enough and `is_over`. Gives how often.
    fn fork_until(&self, is_over: impl Fn() -> bool) -> usize {
        let mut random = self.orders.random(u64::MAX);
        let mut forks = 0;
        while forks < FORKS || !is_over() {
            std::thread::sleep(Duration::from_millis(random.below(FORK_MS).try_into().unwrap()));
            if random.below(4) == 0 {
                // A child that only leaves may be forked at any moment.
                wait_for(fork(|| {}));
            } else {
                let abruptly = random.below(2) == 0;
                let seed = random.number();
                let closed = self.gate.write().unwrap();
                if !abruptly {
                    until_ours_sleep();
                }
                let child = fork(|| self.child(Random::new(seed, 0), abruptly));
                drop(closed);
                wait_for(child);
            }
            forks += 1;
        }
        forks
    }

    /// What a child does: an operation in a world of its parent's; and, if it does not leave abruptly, one in a world of its own.
    fn child(&self, mut random: Random, abruptly: bool) {
        must("in a child", random.choose(&self.worlds).operate(&mut random));
        if !abruptly {
            must("in a child's own world", self.orders.fresh_world()).operate(&mut random).unwrap();
            // SAFETY: ends this process, by way of OpenSSL's clean-up.
            unsafe { libc::exit(0) };
        }
    }
}

/// Waits until Hotspare's own threads sleep. A child that loads a module, or leaves by `exit`, takes the lock of the dynamic loader, and with
/// glibc 2.36 it finds it held for ever if a thread held it at the fork (tried, without Hotspare: `dlopen` in such a child hangs). A
/// thread that starts or ends takes that lock.
fn until_ours_sleep() {
    let is_busy = |stat: String| {
        let name_and_state =
            stat.rsplit_once(')').map(|(name, rest)| (name.contains("(hotspare-"), rest.starts_with(" S")));
        name_and_state == Some((true, false))
    };
    let any_busy = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok()).any(is_busy)
    };
    let deadline = Instant::now() + CHILD_LIMIT;
    while any_busy() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What the threads of a process are at, as far as the system tells.
fn threads_of(process: libc::pid_t) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    tasks
        .map(|task| {
            let [name, place, call] = ["comm", "wchan", "syscall"].map(|file| read(task.path().join(file)));
            format!("\n  {name}: {place}: {call}")
        })
        .collect()
}

/// Runs `work` in a child, which leaves by `_exit` if that does not.
fn fork(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child uses what Hotspare promises to work in a child.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: plain system calls. It ends when this process does.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        work();
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    }
    assert!(child > 0);
    child
}

fn wait_for(child: libc::pid_t) {
    let deadline = Instant::now() + CHILD_LIMIT;
    let mut status = -1;
    // SAFETY: waits for our own child; `status` is valid for writing.
    while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > deadline {
            fail(&format!("the child {child} hangs:{}", threads_of(child)));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    if status != 0 {
        fail(&format!("the child {child} ended with {status:#x}"));
    }
}
