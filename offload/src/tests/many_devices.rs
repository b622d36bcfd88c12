//! More devices than fit into any small number: seventeen, all of them used, each of which can die and return.

use std::collections::HashSet;

use hotspare_device::stats::Counter::{ActiveDevices, Software};
use hotspare_device::stats::{DeviceCounter, read_all};

use super::rig::{Mode, NO_ENDLESS_WAIT, Rig, eventually, is_right, request, worth_polling};
use crate::{Completion, Offload};

const DEVICES: usize = 17;

/// Requests at once, so many that each device has some.
const ROUND: usize = 4 * DEVICES;

/// All devices in use, and deadlines that no busy machine misses.
fn rig() -> (Rig, Offload) {
    let rig = Rig::new(DEVICES);
    let mut config = rig.config();
    config.set("deadline_ms", "20000").unwrap();
    config.set("arena_mb", "1").unwrap();
    config.set("ring_depth", "64").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, DEVICES as u64);
    (rig, offload)
}

/// How many answers each device has given.
fn answered(rig: &Rig) -> Vec<u64> {
    rig.devices.iter().map(|device| device.answered()).collect()
}

/// The devices of which the counters say that they completed requests.
fn counted(rig: &Rig) -> HashSet<String> {
    let (processes, _) = read_all(&rig.directory.join("stats")).unwrap();
    let devices = processes.iter().flat_map(|process| process.sum.devices());
    let completed = devices.filter(|device| device.value(DeviceCounter::Completed) > 0);
    completed.map(|device| device.address.to_string()).collect()
}

#[test]
fn each_of_seventeen_devices_has_its_share_synchronously_and_asynchronously() {
    let (rig, offload) = rig();
    let before = answered(&rig);
    for _ in 0..ROUND {
        assert!(is_right(4, &offload.execute(request(4)).unwrap()));
    }
    let between = answered(&rig);
    let mut batch = offload.batch();
    let tickets: Vec<_> = (0..ROUND)
        .map(|number| {
            let (woken, completion) = worth_polling();
            let completion = if number % 2 == 0 { completion } else { Completion::Poll };
            (woken, batch.submit(request(4), completion))
        })
        .collect();
    drop(batch);
    for (_, ticket) in tickets {
        assert!(is_right(4, &ticket.wait().unwrap()));
    }
    let after = answered(&rig);
    for device in 0..DEVICES {
        assert!(before[device] < between[device], "device {device}, synchronously");
        assert!(between[device] < after[device], "device {device}, asynchronously");
    }
    assert_eq!(counted(&rig).len(), DEVICES, "each has counters");
    assert_eq!((rig.sum().imbalance(), rig.sum().value(Software)), (0, 0));
}

#[test]
fn each_of_seventeen_devices_may_die_and_return() {
    let (mut rig, offload) = rig();
    for device in 0..DEVICES {
        // Each in its own way.
        match device % 3 {
            0 => rig.devices[device].fail(),
            1 => rig.devices[device].vanish(),
            _ => rig.devices[device].set(Mode::Wrong),
        }
        let tickets: Vec<_> = (0..DEVICES + 1)
            .map(|_| {
                let (woken, completion) = worth_polling();
                (woken, offload.submit(request(0), completion))
            })
            .collect();
        for (woken, mut ticket) in tickets {
            woken.recv_timeout(NO_ENDLESS_WAIT).unwrap();
            let result = match ticket.poll() {
                std::task::Poll::Ready(result) => result,
                std::task::Poll::Pending => ticket.wait(),
            };
            assert!(is_right(0, &result.unwrap()));
        }
        rig.until(ActiveDevices, DEVICES as u64 - 1);
        match device % 3 {
            0 => rig.devices[device].restart(),
            1 => rig.devices[device].appear(),
            _ => rig.devices[device].set(Mode::Good),
        }
        rig.until(ActiveDevices, DEVICES as u64);
        let before = rig.devices[device].answered();
        eventually("it is used again", || {
            offload.execute(request(4)).unwrap();
            rig.devices[device].answered() > before
        });
    }
    assert_eq!((rig.sum().imbalance(), rig.sum().value(Software)), (0, 0), "sixteen were always left");
    offload.close();
    rig.until(ActiveDevices, 0);
}
