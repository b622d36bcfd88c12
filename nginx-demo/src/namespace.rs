//! The room in which everything runs: `./demo` brings user, mount and network namespaces; here come a pid namespace, the
//! mounts that udevd needs, and the loopback interface.

use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;

use rustix::fd::AsRawFd;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;
use rustix::thread::UnshareFlags;
use signal_hook::iterator::Signals;

use crate::error::{DemoError, system};
use crate::interrupt::SIGNALS;
use crate::options::Options;

/// Where udev's rules lie. Rules of this machine are for its own devices.
const RULES: [&str; 4] =
    ["/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d", "/usr/local/lib/udev/rules.d"];

/// What a shell adds to the number of the signal that ended a program.
const ENDED_BY_SIGNAL: i32 = 128;

/// Starts this program again inside, and waits for it. Where a container lets nobody mount `/proc`, there is no pid
/// namespace: the inner process cleans up, unless it is killed.
pub(crate) fn run_inside(options: &Options) -> Result<ExitCode, DemoError> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("hotspare-demo").args(std::env::args_os().skip(1)).arg("--inside");
    for (name, path) in [("--programs", &options.programs), ("--out", &options.out)] {
        if !path.exists() {
            std::fs::create_dir_all(path).map_err(system(format!("{name} {}", path.display())))?;
        }
    }
    let own_pids = pid_namespaces_work();
    let mut signals = Signals::new(SIGNALS).map_err(system("signals"))?;
    let (started, hears) = mpsc::channel();
    // Before the namespace is made: afterwards, the kernel lets this process have no more threads.
    std::thread::spawn(move || {
        let Ok(pid) = hears.recv() else { return };
        for _ in signals.forever() {
            // The number is ours until we have waited for the child, and after that we end.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    });
    if own_pids {
        // SAFETY: no file descriptors are unshared; a pid namespace concerns children only.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWPID) }.map_err(system("a pid namespace"))?;
        command.arg("--own-pids");
    }
    let mut child = dies_with_us(&mut command).spawn().map_err(system("the inner process"))?;
    // The thread waits for it.
    let _ = started.send(rustix::process::Pid::from_child(&child));
    let status = child.wait().map_err(system("waiting for the inner process"))?;
    let code = status.code().or_else(|| status.signal().map(|signal| ENDED_BY_SIGNAL + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn pid_namespaces_work() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["-mpf", "--mount-proc", "true"]).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Has the kernel kill the process when the thread that starts it is gone, whatever it died of.
pub(crate) fn dies_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec there is one system call, no allocation and no lock.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    command
}

/// Makes the room: to be called in the inner process, before anything else runs there.
pub(crate) fn furnish(own_pids: bool) -> Result<(), DemoError> {
    let careful = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if own_pids {
        rustix::mount::mount("proc", "/proc", "proc", careful, None).map_err(system("mounting /proc"))?;
    }
    let empty = |path: &str| {
        rustix::mount::mount("tmpfs", path, "tmpfs", careful, c"mode=0755")
            .map_err(system(format!("an empty {path} in a private namespace")))
    };
    empty("/run")?;
    for rules in RULES.into_iter().filter(|rules| Path::new(rules).is_dir()) {
        empty(rules)?;
    }
    raise_loopback().map_err(system("the loopback interface"))
}

fn raise_loopback() -> Result<(), Errno> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: zeroes are a valid value of this structure of numbers.
    let mut interface: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in interface.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = libc::c_char::try_from(*from).unwrap_or(0);
    }
    for request in [libc::SIOCGIFFLAGS, libc::SIOCSIFFLAGS] {
        // SAFETY: both requests read and write one `ifreq`, which is valid for that.
        if unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut interface) } != 0 {
            return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
        }
        let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
        // SAFETY: the first request filled this member of the union.
        unsafe { interface.ifr_ifru.ifru_flags |= up };
    }
    Ok(())
}
