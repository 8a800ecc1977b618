use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const BACK_OFF: BackOff = BackOff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(5),
    steady: Duration::from_secs(60),
};

fn plan(depends_on: &[Index], restart: Restart) -> Plan {
    Plan {
        depends_on: depends_on.to_vec(),
        restart,
        ready_within: Duration::from_secs(10),
        grace: Duration::from_secs(4),
    }
}

/// Two processes, the second of which depends on the first.
fn pair() -> Supervisor {
    let plans = vec![plan(&[], Restart::Always), plan(&[0], Restart::Always)];
    Supervisor::new(plans, BACK_OFF)
}

fn failed(index: Index) -> Input {
    Input::Ended {
        index,
        success: false,
    }
}

/// Feeds `rows` of seconds, input and what it must lead to.
fn check(mut supervisor: Supervisor, rows: &[(u64, Input, &[Effect])]) -> Supervisor {
    for (number, (at, input, expected)) in rows.iter().enumerate() {
        let effects = supervisor.step(Duration::from_secs(*at), *input);
        assert_eq!(effects, *expected, "row {number}: {input:?} at {at} s");
    }
    supervisor
}

use Effect::{Kill, Spawn, Terminate};
use Input::{Found, Ready, Start, Stop, Tick};

#[test]
fn a_process_starts_once_what_it_depends_on_is_ready_and_stops_before_it() {
    let end = |index| Input::Ended {
        index,
        success: true,
    };
    let quiet = check(
        pair(),
        &[
            (0, Start(1), &[]),
            (0, Start(0), &[Spawn(0)]),
            (1, Tick, &[]),
            (1, Ready(0), &[Spawn(1)]),
            (2, Ready(1), &[]),
            (3, Stop(0), &[Terminate(0)]),
            (3, Start(0), &[]),
            (4, end(0), &[Spawn(0)]),
            (4, Ready(0), &[]),
            (5, Stop(1), &[Terminate(1)]),
            (5, Stop(0), &[]),
            (6, end(1), &[Terminate(0)]),
            (7, end(0), &[]),
        ],
    );
    assert!(quiet.is_quiet());
}

#[test]
fn a_process_that_ends_is_started_again_later_and_later() {
    let start: &[Effect] = &[Spawn(0)];
    let supervisor = check(
        pair(),
        &[
            (0, Start(0), start),
            (0, failed(0), &[]),
            (0, Tick, &[]),
            (1, Tick, start),
            (1, failed(0), &[]),
            (2, Tick, &[]),
            (3, Tick, start),
            (3, failed(0), &[]),
            (7, Tick, start),
            (7, failed(0), &[]),
            // Five seconds are the most.
            (12, Tick, start),
            (12, Ready(0), &[]),
            // It was steady for a minute.
            (72, failed(0), &[]),
            (73, Tick, start),
            (73, failed(0), &[]),
            // Somebody who asks need not wait.
            (73, Start(0), start),
        ],
    );
    assert_eq!(supervisor.restarts(0), 5);
}

#[test]
fn policies_say_what_follows_an_end() {
    for (restart, success, expected) in [
        (Restart::Always, true, false),
        (Restart::OnFailure, true, true),
        (Restart::OnFailure, false, false),
        (Restart::Never, false, true),
    ] {
        let mut supervisor = Supervisor::new(vec![plan(&[], restart)], BACK_OFF);
        supervisor.step(Duration::ZERO, Start(0));
        supervisor.step(Duration::ZERO, Input::Ended { index: 0, success });
        let stays = supervisor.state(0) == State::Ended;
        assert_eq!(stays, expected, "{restart:?} {success}");
        assert_eq!(supervisor.is_wanted(0), !expected);
    }
}

#[test]
fn the_late_and_the_deaf_are_ended() {
    check(
        pair(),
        &[
            (0, Start(0), &[Spawn(0)]),
            (9, Tick, &[]),
            // Not ready in time.
            (10, Tick, &[Terminate(0)]),
            (13, Tick, &[]),
            (14, Tick, &[Kill(0)]),
            (15, Tick, &[]),
            (15, failed(0), &[]),
            (16, Tick, &[Spawn(0)]),
        ],
    );
}

#[test]
fn a_restart_of_all_stops_all_before_anything_starts() {
    check(
        pair(),
        &[
            (0, Start(0), &[Spawn(0)]),
            (0, Start(1), &[]),
            (0, Ready(0), &[Spawn(1)]),
            (0, Input::Restart(1), &[Terminate(1)]),
            (0, Input::Restart(0), &[]),
            (1, failed(1), &[Terminate(0)]),
            (2, failed(0), &[Spawn(0)]),
            (3, Ready(0), &[Spawn(1)]),
        ],
    );
}

#[test]
fn what_is_found_running_is_left_running_and_is_ready_before_others_start() {
    let supervisor = check(
        pair(),
        &[
            (0, Found(0), &[]),
            (0, Start(0), &[]),
            (0, Start(1), &[]),
            (0, Ready(0), &[Spawn(1)]),
            (1, Stop(0), &[Terminate(0)]),
        ],
    );
    assert!(supervisor.is_leaving(0) && !supervisor.is_leaving(1));
}

fn inputs() -> impl Strategy<Value = Vec<(u64, Input)>> {
    let index = 0..4_usize;
    let input = (index, 0..7_u8, any::<bool>()).prop_map(|(index, kind, success)| match kind {
        0 | 1 => Start(index),
        2 => Stop(index),
        3 => Input::Restart(index),
        4 => Ready(index),
        5 => Input::Ended { index, success },
        _ => Tick,
    });
    vec((0..8_u64, input), 0..120)
}

/// Four processes as they would be, doing what they are told.
#[derive(Default)]
struct World {
    alive: [bool; 4],
    ready: [bool; 4],
}

const DEPENDS_ON: [&[Index]; 4] = [&[], &[0], &[0], &[1, 2]];

impl World {
    fn supervisor() -> Supervisor {
        let plans = DEPENDS_ON.map(|on| plan(on, Restart::Always));
        Supervisor::new(plans.to_vec(), BACK_OFF)
    }

    fn allows(&self, input: Input) -> bool {
        match input {
            Ready(index) | Input::Ended { index, .. } => self.alive[index],
            _ => true,
        }
    }

    fn step(&mut self, supervisor: &mut Supervisor, now: Duration, input: Input) {
        match input {
            Ready(index) => self.ready[index] = true,
            Input::Ended { index, .. } => (self.alive[index], self.ready[index]) = (false, false),
            _ => {}
        }
        for effect in supervisor.step(now, input) {
            match effect {
                Spawn(index) => {
                    assert!(!self.alive[index], "two of {index}");
                    let is_early = DEPENDS_ON[index].iter().any(|on| !self.ready[*on]);
                    assert!(!is_early, "{index} before what it depends on");
                    self.alive[index] = true;
                }
                Terminate(index) | Kill(index) => assert!(self.alive[index], "{index} is gone"),
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_runs_twice_or_too_early_and_all_can_be_stopped_and_started(history in inputs()) {
        let (mut supervisor, mut world, mut now) = (World::supervisor(), World::default(), 0);
        for (pause, input) in history {
            now += pause;
            if world.allows(input) {
                world.step(&mut supervisor, Duration::from_secs(now), input);
            }
        }
        let now = Duration::from_secs(now);
        for index in 0..4 {
            world.step(&mut supervisor, now, Stop(index));
        }
        // In reverse, so each one that others depend on goes after them.
        for index in (0..4).rev() {
            if world.alive[index] {
                let is_stopping = matches!(supervisor.state(index), State::Stopping { .. });
                prop_assert!(is_stopping, "{index} was not stopped in its turn");
                world.step(&mut supervisor, now, Input::Ended { index, success: true });
            }
        }
        prop_assert!(supervisor.is_quiet());
        for index in 0..4 {
            world.step(&mut supervisor, now, Start(index));
        }
        for index in 0..4 {
            prop_assert!(world.alive[index], "{index} did not start");
            world.step(&mut supervisor, now, Ready(index));
        }
    }
}
