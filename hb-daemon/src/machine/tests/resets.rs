//! Who resets a device, how often, and what is told of it.

use super::*;

#[test]
fn a_hang_is_reset_once_and_its_end_is_told() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(5));
    assert_eq!(*world.writes.borrow(), [AdminState::Down, AdminState::Up]);
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
    assert_eq!((machine.report().failures, machine.report().resets), (1, 1));
    assert_eq!(machine.report().health, Health::Healthy);
}

#[test]
fn the_delay_is_kept() {
    let mut policy = policy(ResetPolicy::Managed);
    policy.reset_delay = Duration::from_millis(900);
    let (mut machine, world) = (machine(policy), Fake::new());
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(4));
    let news = world.news.borrow();
    assert_eq!(news[0].1, Event::Failed);
    assert_eq!(news[1].1, Event::Restarting);
    assert_eq!(news[1].0 - news[0].0, Duration::from_millis(900));
}

#[test]
fn the_drivers_own_reset_is_waited_for() {
    for policy_of in [ResetPolicy::Auto, ResetPolicy::Never, ResetPolicy::Managed] {
        let (mut machine, world) = (machine(policy(policy_of)), Fake::new());
        world.auto_reset.set(Some(true));
        world.hangs.set(true);
        run(&mut machine, &world, Duration::from_millis(700));
        world.take_down();
        run(&mut machine, &world, Duration::from_millis(700));
        assert_eq!(machine.report().health, Health::Resetting);
        world.bring_up();
        run(&mut machine, &world, Duration::from_secs(2));
        assert!(world.writes.borrow().is_empty(), "{policy_of:?}");
        let events: Vec<_> = world.events().into_iter().filter(|event| *event != Event::Problem).collect();
        assert_eq!(events, [Event::Failed, Event::Restarting, Event::Restarted]);
        assert_eq!((machine.report().resets, machine.report().resets_by_others), (0, 1));
    }
}

#[test]
fn a_reset_of_the_driver_that_was_too_quick_to_see_is_seen_by_the_counters() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.auto_reset.set(Some(true));
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_millis(300));
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Failed, Event::Restarted]);
}

#[test]
fn a_driver_that_does_not_reset_as_it_should_is_told_of() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.auto_reset.set(Some(true));
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!(world.events(), [Event::Failed, Event::ResetFailed]);
    assert_eq!(machine.report().health, Health::Failed);
    assert!(world.writes.borrow().is_empty());
}

#[test]
fn never_means_never_and_a_device_that_comes_to_itself_is_believed() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Never)), Fake::new());
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(20));
    assert_eq!(world.events(), [Event::Failed], "said once");
    assert_eq!(machine.report().health, Health::Failed);
    world.hangs.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Failed, Event::Recovered]);
    assert!(world.writes.borrow().is_empty());
    assert_eq!(machine.report().health, Health::Healthy);
}

#[test]
fn somebody_elses_reset_stops_ours() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.reset_delay = Duration::from_secs(1);
    let (mut machine, world) = (machine(policy), Fake::new());
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_millis(500));
    world.take_down();
    run(&mut machine, &world, Duration::from_millis(900));
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(3));
    assert!(world.writes.borrow().is_empty());
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
}

#[test]
fn a_busy_driver_is_not_reset_a_second_time() {
    let busy = || FileError::Busy(PathBuf::from("state"));
    // Busy with a reset that is too quick to be seen in `state`.
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.refusals.borrow_mut().extend([busy(), busy()]);
    let mut writes = 0;
    run_with(&mut machine, &world, Duration::from_secs(3), |world| {
        let made = world.writes.borrow().len();
        if made == 2 && writes == 1 {
            world.bring_up();
        }
        writes = made;
    });
    assert_eq!(*world.writes.borrow(), [AdminState::Down; 2]);
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
    assert_eq!((machine.report().resets, machine.report().resets_by_others), (0, 1));
}

#[test]
fn a_busy_driver_is_tried_again_while_it_is_only_in_use() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.refusals.borrow_mut().extend((0..5).map(|_| FileError::Busy(PathBuf::from("state"))));
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!(world.writes.borrow().len(), 7);
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
}

#[test]
fn a_reset_that_fails_is_told_and_tried_again_ever_more_rarely() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.reset_cures.set(false);
    run(&mut machine, &world, Duration::from_secs(60));
    let news = world.news.borrow();
    let starts: Vec<_> = news.iter().filter(|(_, event)| *event == Event::Restarting).collect();
    let ends: Vec<_> = news.iter().filter(|(_, event)| *event == Event::ResetFailed).collect();
    // Each takes its 2 s; between them 2, 4, 8, 16, 32 s.
    assert!((4..=5).contains(&starts.len()), "{news:?}");
    let waits: Vec<_> =
        ends.iter().zip(&starts[1..]).map(|((end, _), (start, _))| (*start - *end).as_secs()).collect();
    assert_eq!(waits[..3], [2, 4, 8]);
    assert_eq!(news.iter().filter(|(_, event)| *event == Event::Failed).count(), 1);
    assert_eq!(machine.report().resets, 0);
}

#[test]
fn a_device_that_a_failed_reset_left_down_is_brought_up_by_the_next() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.hangs.set(true);
    let mut broken = false;
    run_with(&mut machine, &world, Duration::from_secs(10), |world| {
        if world.state.get() == AdminState::Down && !broken {
            broken = true;
            world.refusals.borrow_mut().push(FileError::System {
                path: PathBuf::from("state"),
                source: std::io::Error::from_raw_os_error(14),
            });
        }
    });
    assert_eq!(*world.writes.borrow(), [AdminState::Down, AdminState::Up, AdminState::Up]);
    assert_eq!(
        world.events(),
        [Event::Failed, Event::Restarting, Event::ResetFailed, Event::Restarting, Event::Restarted]
    );
    assert_eq!(machine.report().health, Health::Healthy);
}

#[test]
fn the_daemon_leaves_no_device_down_behind() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    while world.state.get() == AdminState::Up {
        let next = machine.step(&world);
        world.now.set(next.max(world.now() + MS));
    }
    machine.stop(&world);
    assert_eq!(*world.writes.borrow(), [AdminState::Down, AdminState::Up]);
    machine = super::machine(policy(ResetPolicy::Auto));
    run(&mut machine, &world, Duration::from_secs(1));
    machine.stop(&world);
    assert_eq!(world.writes.borrow().len(), 2, "a healthy device is not touched");
}

#[test]
fn a_lost_write_is_made_again() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.lost_writes.set(2);
    run(&mut machine, &world, Duration::from_secs(2));
    assert_eq!(
        *world.writes.borrow(),
        [AdminState::Down, AdminState::Down, AdminState::Down, AdminState::Up]
    );
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
}
