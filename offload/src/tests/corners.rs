//! Unlikely meetings: floods and hung devices, wakers that own things, devices that return, forks in the middle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use hotspare_device::Kind;
use hotspare_device::stats::Counter::{self, ActiveDevices, InFlight, KnownAnswers, Software, Submitted};

use super::rig::{Mode, NO_ENDLESS_WAIT, Rig, eventually, is_right, request, wake, worth_polling};
use crate::{Completion, Config, Offload, Ticket};

/// Long enough for the completion loop to give up its spinning and to sleep.
const LOOP_SLEEPS: Duration = Duration::from_millis(60);
/// What a busy machine may add to a wake-up.
const PROMPT: Duration = Duration::from_secs(3);

#[test]
fn one_devices_flood_of_answers_does_not_hide_anothers_missed_deadline() {
    let rig = Rig::new(2);
    let mut config = rig.config();
    config.set("deadline_ms", "300").unwrap();
    // Every answer of the flood comes while the loop still looks for it.
    config.set("spin_us", "10000").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.until(ActiveDevices, 2);
    rig.devices.iter().for_each(|device| device.set(Mode::Silent));
    let mut stuck: Vec<_> = (0..2)
        .map(|_| {
            let (woken, completion) = worth_polling();
            (woken, offload.submit(request(4), completion))
        })
        .collect();
    rig.devices.iter().for_each(|device| device.until_held(1));
    rig.devices[0].set(Mode::Good);
    rig.devices[0].answer_held();
    let began = Instant::now();
    let mut ended = 0;
    while ended < 2 {
        // Goes to the device that has less to do, and ends soon.
        let (woken, completion) = worth_polling();
        let mut ticket = offload.submit(request(4), completion);
        while ticket.poll().is_pending() {
            woken.recv_timeout(NO_ENDLESS_WAIT).unwrap();
        }
        stuck.retain_mut(|(woken, ticket)| {
            let is_over = woken.try_recv().is_ok() && ticket.poll().is_ready();
            ended += usize::from(is_over);
            !is_over
        });
        assert!(began.elapsed() < PROMPT, "a missed deadline was not looked at");
    }
}

#[test]
fn a_device_that_left_while_it_was_to_ring_rings_again_when_it_is_back() {
    let mut rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "10000").unwrap();
    // Known-answer requests are answered while the carer spins: it never sleeps on the rings.
    config.set("spin_us", "10000").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    for _ in 0..3 {
        rig.devices[0].set(Mode::Silent);
        let (woken, completion) = worth_polling();
        let mut ticket = offload.submit(request(4), completion);
        rig.devices[0].until_held(1);
        std::thread::sleep(LOOP_SLEEPS);
        rig.devices[0].vanish();
        woken.recv_timeout(PROMPT).unwrap();
        assert!(ticket.poll().is_ready());
        rig.devices[0].set(Mode::Good);
        rig.devices[0].appear();
        rig.until(ActiveDevices, 1);
        rig.devices[0].set(Mode::Silent);
        let (woken, completion) = worth_polling();
        let mut ticket = offload.submit(request(4), completion);
        rig.devices[0].until_held(1);
        std::thread::sleep(LOOP_SLEEPS);
        rig.devices[0].answer_held();
        woken.recv_timeout(PROMPT).unwrap();
        assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
    }
    assert!(rig.sum().value(KnownAnswers) > 0);
}

#[test]
fn an_owner_that_is_woken_may_submit_to_another_offload() {
    let rig = Rig::new(1);
    let (first, second) = (rig.offload(), Arc::new(Offload::new(Config::default())));
    first.execute(request(4)).unwrap();
    // Without devices, its request is at once its owner's to compute.
    second.execute(request(4)).unwrap();
    let (sender, receiver) = channel();
    let inner = Mutex::new(Some((second, sender)));
    let _outer = first.submit(
        request(4),
        wake(move || {
            if let Some((second, sender)) = inner.lock().unwrap().take() {
                let (woken, completion) = worth_polling();
                let ticket = second.submit(request(4), completion);
                let _ = sender.send((second, woken, ticket));
            }
        }),
    );
    let (_second, woken, mut ticket) = receiver.recv_timeout(NO_ENDLESS_WAIT).unwrap();
    woken.recv_timeout(PROMPT).unwrap();
    assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
}

#[test]
fn an_owner_that_is_woken_may_have_the_last_reference_to_the_offload() {
    let rig = Rig::new(1);
    let offload = Arc::new(rig.offload());
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let (woken, completion) = worth_polling();
    let mut other = offload.submit(request(2), completion);
    let (sender, receiver) = channel();
    let inner = Mutex::new(Some(offload.clone()));
    let ticket = offload.submit(
        request(4),
        wake(move || {
            drop(inner.lock().unwrap().take());
            let _ = sender.send(());
        }),
    );
    rig.devices[0].until_held(2);
    drop(offload);
    // Its completion is delivered by the loop, which so comes to end itself.
    rig.devices[0].answer_last_held();
    receiver.recv_timeout(PROMPT).unwrap();
    woken.recv_timeout(PROMPT).unwrap();
    assert!(matches!(other.poll(), Poll::Ready(Ok(output)) if is_right(2, &output)));
    drop(ticket);
    drop(other);
    eventually("closing gave the instance back", || rig.devices[0].user_count() == 0);
}

#[test]
fn a_waker_that_is_given_up_may_own_tickets() {
    let rig = Rig::new(1);
    let offload = Arc::new(rig.offload());
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let owned: Arc<Mutex<Option<Ticket>>> = Arc::default();
    let dropped = Arc::new(AtomicBool::new(false));
    /// Says when it goes.
    struct Owner(Arc<AtomicBool>, Arc<Mutex<Option<Ticket>>>, Arc<Offload>);
    impl Drop for Owner {
        fn drop(&mut self) {
            // Looks at all entries, and so needs every lock of theirs.
            self.2.close();
            drop(self.1.lock().unwrap().take());
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let owner = Owner(dropped.clone(), owned.clone(), offload.clone());
    *owned.lock().unwrap() = Some(offload.submit(request(2), Completion::Poll));
    let ticket = offload.submit(
        request(4),
        wake(move || {
            let _ = &owner;
        }),
    );
    let (ended, end) = channel();
    std::thread::scope(|scope| {
        // It has the turn, so who waits beside it has to park, and gives up the waker.
        let leader = scope.spawn(|| offload.execute(request(4)).unwrap());
        rig.devices[0].until_held(3);
        std::thread::sleep(LOOP_SLEEPS);
        scope.spawn(move || ended.send(ticket.wait().unwrap()));
        eventually("the waker was given up", || dropped.load(Ordering::SeqCst));
        assert!(is_right(4, &end.recv_timeout(NO_ENDLESS_WAIT).unwrap()));
        assert!(is_right(4, &leader.join().unwrap()));
    });
}

#[test]
fn a_wait_for_a_device_whose_rings_are_gone_ends_by_its_deadline() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "200").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let ticket = offload.submit(request(4), Completion::Poll);
    rig.devices[0].until_held(1);
    offload.process.current().unwrap().core.target(0).unwrap().set_instance(None);
    let (ended, end) = channel();
    std::thread::spawn(move || ended.send(ticket.wait().unwrap()));
    assert!(is_right(4, &end.recv_timeout(NO_ENDLESS_WAIT).unwrap()));
}

#[test]
fn an_owner_that_asks_whether_its_ticket_is_ready_hears_of_its_deadline() {
    let rig = Rig::new(1);
    let mut config = rig.config();
    config.set("deadline_ms", "100").unwrap();
    let offload = Offload::new(config);
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let mut ticket = offload.submit(request(4), Completion::Poll);
    rig.devices[0].until_held(1);
    eventually("the ticket is worth polling", || {
        offload.poll();
        ticket.is_ready()
    });
    assert!(matches!(ticket.poll(), Poll::Ready(Ok(output)) if is_right(4, &output)));
    rig.assert_counters(&[(Submitted, 2), (Counter::Hardware, 1), (Software, 1)]);
}

#[test]
fn what_a_child_inherits_in_the_middle_is_its_parents() {
    let rig = Rig::new(1);
    let offload = rig.offload();
    offload.execute(request(4)).unwrap();
    rig.devices[0].set(Mode::Silent);
    let software = offload.go_on_in_software(Kind::X25519);
    let mut batch = offload.batch();
    let ticket = batch.submit(request(4), Completion::Poll);
    // SAFETY: the child drops what it has inherited, which touches nothing of its parent's, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(batch);
        software.end(true);
        drop(ticket);
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: waits for our own child; `status` is valid for writing.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    drop(batch);
    rig.devices[0].until_held(1);
    rig.devices[0].set(Mode::Good);
    rig.devices[0].answer_held();
    assert!(is_right(4, &ticket.wait().unwrap()));
    software.end(true);
    rig.assert_counters(&[(Submitted, 3), (Counter::Hardware, 2), (Software, 1), (InFlight, 0)]);
}
