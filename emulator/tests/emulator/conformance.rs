//! The driver of the emulated device passes the conformance suite against the emulator itself, a program with engines that
//! compute.

use std::sync::Arc;

use hotspare_device::conformance::{self, Action, Ready, Stand, Subject};
use hotspare_device::{InstanceOptions, State};
use rustix::process::{Pid, Signal};

use super::machine::{Machine, eventually};

#[test]
fn the_emulated_driver_conforms_against_the_emulator() {
    let report = conformance::run(Arc::new(EmulatorStand));
    println!("{report}");
    assert!(report.passed(), "{report}");
    // The emulator answers as it should or not at all. The scripted device of `device/tests/conformance.rs` does the rest.
    let not_run = [
        "an_operation_that_it_lacks_is_refused",
        "answers_come_in_any_order",
        "a_second_answer_is_nobodys",
        "nonsense_is_survived",
        "an_error_gives_real_answers_then_dummies_in_order",
        "a_late_answer_is_nobodys",
    ];
    assert_eq!(report.not_run(), not_run);
}

struct EmulatorStand;

impl Stand for EmulatorStand {
    fn can(&self, action: Action) -> bool {
        use Action::{Fail, FallSilent, Hold, Release, Restart, Return, Vanish};
        matches!(action, Hold | Release | FallSilent | Fail | Restart | Vanish | Return)
    }

    fn set_up(&self, options: &InstanceOptions) -> Result<Ready, String> {
        // Of this generation the heartbeat's timer can be set: nobody is to notice a silence but who waits.
        let machine =
            Machine::start(&["--devices", "1", "--gen", "2", "--reset-ms", "0", "--respawn", "0.1"]);
        machine
            .files(0)
            .set_timer(std::time::Duration::from_secs(3600))
            .map_err(|error| error.to_string())?;
        let driver = hotspare_device::open(&format!("emulated:{}", machine.root().display()));
        let devices = driver.map_err(|error| error.to_string())?.devices();
        let device = devices.map_err(|error| error.to_string())?.swap_remove(0);
        let instance = device.open_instance(options).map_err(|error| error.to_string())?;
        Ok(Ready { instance, subject: Box::new(machine) })
    }
}

impl Subject for Machine {
    fn act(&self, action: Action) -> Result<(), String> {
        match action {
            Action::Hold => stop(self.device_pid(0)),
            Action::Release => {
                rustix::process::kill_process(self.device_pid(0), Signal::CONT).unwrap();
            }
            Action::FallSilent => self.inject(0, "hang"),
            Action::Fail => self.inject(0, "fatal"),
            Action::Restart => self.reset(0),
            Action::Vanish => self.kill_device(0),
            Action::Return => {
                // It comes back by itself. Its death may not have been noticed yet.
                eventually("a living device process", || {
                    let info = self.info(0);
                    let is_back = info.state == State::Up && info.pid.is_some_and(is_alive);
                    (is_back && self.socket(0).exists()).then_some(())
                });
            }
            action => return Err(format!("{action:?} was not promised")),
        }
        Ok(())
    }
}

/// Stops a process, all of its threads.
fn stop(process: Pid) {
    rustix::process::kill_process(process, Signal::STOP).unwrap();
    let tasks = format!("/proc/{}/task", process.as_raw_nonzero());
    eventually("every thread has stopped", || {
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            state_of(&task.unwrap().path().join("stat")) == Some('T')
        };
        std::fs::read_dir(&tasks).unwrap().all(is_stopped).then_some(())
    });
}

fn is_alive(pid: u32) -> bool {
    !matches!(state_of(std::path::Path::new(&format!("/proc/{pid}/stat"))), None | Some('Z' | 'X'))
}

/// What the kernel says that a process or thread does.
fn state_of(stat: &std::path::Path) -> Option<char> {
    std::fs::read_to_string(stat).ok()?.rsplit_once(')')?.1.trim_start().chars().next()
}
