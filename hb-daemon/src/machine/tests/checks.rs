//! When a device is checked, and what is believed.

use super::*;

#[test]
fn a_healthy_device_is_checked_at_its_timers_pace_and_left_alone() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(10));
    let checks = world.sent.get();
    assert!((48..=50).contains(&checks), "{checks}");
    assert_eq!(machine.report().health, Health::Healthy);
    assert_eq!(u64::from(checks), machine.report().checks);
    assert!(world.writes.borrow().is_empty() && world.news.borrow().is_empty());
}

#[test]
fn an_interval_above_the_timer_is_kept() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.interval = Some(Duration::from_secs(1));
    let (mut machine, world) = (machine(policy), Fake::new());
    run(&mut machine, &world, Duration::from_secs(10));
    assert!((9..=10).contains(&world.sent.get()), "{}", world.sent.get());
}

#[test]
fn the_timer_counts_from_the_end_of_a_slow_check() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.checks_take.set(Duration::from_millis(150));
    run(&mut machine, &world, Duration::from_secs(5));
    assert!(world.sent.get() >= 10);
}

#[test]
fn a_timer_that_grows_above_the_interval_is_a_problem_and_is_obeyed() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.interval = Some(Duration::from_millis(300));
    let (mut machine, world) = (machine(policy), Fake::new());
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!(machine.report().problem, None);
    world.timer.set(Duration::from_millis(700));
    run(&mut machine, &world, Duration::from_secs(7));
    let problem = machine.report().problem.clone().unwrap();
    assert!(problem.contains("300") && problem.contains("700 ms"), "{problem}");
    assert_eq!(world.events(), [Event::Problem], "said once");
    assert_eq!(machine.report().interval_ms, Some(700));
    assert_eq!(machine.report().health, Health::Healthy);
    world.timer.set(TIMER);
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!((machine.report().problem.clone(), machine.report().interval_ms), (None, Some(300)));
}

#[test]
fn a_minus_one_without_a_failed_query_is_no_failure() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    // Another process reads `status` just before each of our reads.
    for _ in 0..20 {
        world.last_check.set(Some(world.now()));
        let next = machine.step(&world);
        world.now.set(next);
    }
    assert_eq!(machine.report().health, Health::Suspect);
    assert_eq!(world.events(), [Event::Problem], "said once");
    assert!(world.writes.borrow().is_empty());
}

#[test]
fn failures_before_the_daemon_came_are_history() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.failed.set(17);
    run(&mut machine, &world, Duration::from_secs(2));
    assert!(world.events().is_empty());
}

#[test]
fn an_administrator_may_take_a_device_down_for_as_long_as_he_likes() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.take_down();
    run(&mut machine, &world, Duration::from_secs(3600));
    assert_eq!(machine.report().health, Health::Down);
    assert!(!machine.checks());
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Restarting, Event::Restarted]);
    assert_eq!(machine.report().health, Health::Healthy);
    assert!(world.writes.borrow().is_empty());
}

#[test]
fn a_device_that_vanishes_and_returns_is_taken_up_again() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.present.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!((machine.report().health, world.events()), (Health::Absent, vec![]));
    world.present.set(true);
    run(&mut machine, &world, Duration::from_secs(1));
    world.present.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert!(machine.report().problem.clone().unwrap().contains("not there"));
    world.present.set(true);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Restarted, Event::Vanished, Event::Restarted]);
    assert_eq!((machine.report().health, machine.report().problem.clone()), (Health::Healthy, None));
}

#[test]
fn a_device_that_returns_to_another_monitor_is_left_to_it() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.present.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    world.present.set(true);
    world.claimed_by_others.set(true);
    let checks = machine.report().checks;
    run(&mut machine, &world, Duration::from_secs(5));
    assert_eq!(machine.report().checks, checks);
    assert_eq!(world.events(), [Event::Vanished, Event::Problem], "said once");
    world.claimed_by_others.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!((machine.report().health, machine.report().problem.clone()), (Health::Healthy, None));
}

#[test]
fn a_quick_reset_of_a_healthy_device_is_seen_by_the_counters() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(2));
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!((world.events(), machine.report().resets_by_others), (vec![Event::Restarted], 1));
}

#[test]
fn a_check_by_hand_comes_early_but_not_too_early() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.interval = Some(Duration::from_secs(10));
    let (mut machine, world) = (machine(policy), Fake::new());
    run(&mut machine, &world, Duration::from_millis(10_020));
    assert_eq!(machine.report().checks, 1);
    machine.check_soon();
    run(&mut machine, &world, Duration::from_millis(150));
    assert_eq!(machine.report().checks, 1);
    run(&mut machine, &world, Duration::from_millis(100));
    assert_eq!(machine.report().checks, 2);
    run(&mut machine, &world, Duration::from_secs(5));
    assert_eq!(machine.report().checks, 2, "the interval holds again");
}
