//! Programs that are started: they end when their parent does.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::Signal;

use crate::processor;

/// The program ends when we end, and gets more of its processor than others, where that is allowed.
pub fn with_us(command: &mut Command) -> &mut Command {
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec it makes system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have gone before the kernel knew what we want.
            if rustix::process::getppid() != Some(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            processor::ask_for_priority();
            Ok(())
        })
    }
}

/// The program runs on one processor.
pub fn pinned(command: &mut Command, cpu: usize) -> &mut Command {
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(move || {
            processor::pin(cpu);
            Ok(())
        })
    }
}
