use protocol::bus::dea::InstanceBeat;

use super::*;

/// When everything has been heard for long enough.
const NOW: Tick = Tick::from_millis(1_000_000);

fn seconds(count: u64) -> Tick {
    Tick::from_millis(NOW.as_millis() + count * 1_000)
}

fn process(name: &str, version: &str, instances: u32) -> DesiredProcess {
    DesiredProcess {
        droplet: name.to_owned(),
        version: version.to_owned(),
        instances,
    }
}

/// `version.index.state`, whose id is the same; the first letter of the state suffices.
fn beat(text: &str) -> InstanceBeat {
    let parts: Vec<&str> = text.split('.').collect();
    InstanceBeat {
        droplet: "p".to_owned(),
        version: parts[0].to_owned(),
        instance: text.to_owned(),
        index: parts[1].parse().unwrap(),
        state: match parts[2] {
            "s" => InstanceState::Starting,
            "r" => InstanceState::Running,
            "c" => InstanceState::Crashed,
            "e" => InstanceState::Evacuating,
            other => panic!("no state {other}"),
        },
        // The later ones are the younger ones.
        state_timestamp: parts.get(3).map_or(1.0, |since| since.parse().unwrap()),
        ..InstanceBeat::default()
    }
}

fn hear(planner: &mut Planner, dea: &str, instances: &[&str], now: Tick) {
    let heartbeat = Heartbeat {
        dea: dea.to_owned(),
        droplets: instances.iter().map(|text| beat(text)).collect(),
    };
    planner.heard(heartbeat, now);
}

/// A planner that has known all of this for long enough.
fn settled(goals: &[DesiredProcess], instances: &[&str]) -> Planner {
    let mut planner = Planner::new(Policy::default());
    let long_ago = Tick::from_millis(NOW.as_millis() - 60_000);
    planner.bus_back(long_ago);
    planner.begin_desired();
    planner.desired_part(goals.to_vec());
    planner.end_desired(long_ago, long_ago);
    hear(&mut planner, "d", instances, long_ago);
    hear(&mut planner, "d", instances, NOW);
    planner
}

fn plan(planner: &mut Planner, now: Tick) -> Vec<String> {
    let repairs = planner.plan(now).unwrap();
    let tell = |repair: &Repair| match repair {
        Repair::Start { version, index, .. } => format!("start {version}.{index}"),
        Repair::Stop { instances, .. } => {
            let ids: Vec<&str> = instances.keys().map(String::as_str).collect();
            format!("stop {}", ids.join(" "))
        }
    };
    repairs.iter().map(tell).collect()
}

fn crash(planner: &mut Planner, instance: &str, now: Tick) {
    let InstanceBeat {
        droplet,
        version,
        instance,
        index,
        ..
    } = beat(instance);
    let exited = Exited {
        droplet,
        version,
        instance,
        index,
        reason: ExitReason::Crashed,
        ..Exited::default()
    };
    planner.exited(&exited, now);
}

#[test]
fn repairs() {
    let check = |instances: u32, running: &[&str], expected: &[&str]| {
        let goal = process("p", "v", instances);
        let mut planner = settled(&[goal], running);
        assert_eq!(plan(&mut planner, NOW), expected, "{instances} {running:?}");
        assert_eq!(plan(&mut planner, NOW), [""; 0], "each is asked for once");
    };
    check(0, &[], &[]);
    check(2, &["v.0.r", "v.1.r"], &[]);
    check(2, &["v.0.r", "v.1.s"], &[]);
    // Missing.
    check(2, &[], &["start v.0", "start v.1"]);
    check(2, &["v.1.r"], &["start v.0"]);
    check(2, &["v.0.r", "v.1.c"], &["start v.1"]);
    // Extra: only once all that shall run does.
    check(1, &["v.0.r", "v.1.r", "v.2.s"], &["stop v.1.r v.2.s"]);
    check(1, &["v.0.s", "v.1.r"], &[]);
    check(0, &["v.0.r", "w.0.s"], &["stop v.0.r w.0.s"]);
    // Of another version: the last good one is not stopped.
    check(1, &["v.0.r", "w.0.r"], &["stop w.0.r"]);
    check(1, &["v.0.s", "w.0.r"], &[]);
    check(2, &["v.0.r", "w.1.r"], &["start v.1"]);
    // Doubled: the youngest goes, one that starts first.
    check(1, &["v.0.r.1", "v.0.r.2"], &["stop v.0.r.2"]);
    check(1, &["v.0.r.2", "v.0.s.1"], &["stop v.0.s.1"]);
    check(1, &["v.0.s.1", "v.0.s.2"], &[]);
    // Evacuating: another one first.
    check(1, &["v.0.e"], &["start v.0"]);
    check(1, &["v.0.e", "v.0.s"], &[]);
    check(1, &["v.0.e", "v.0.r"], &["stop v.0.e"]);
}

#[test]
fn nothing_is_done_on_what_is_stale_or_not_known_yet() {
    let goals = [process("p", "v", 1)];
    let mut planner = settled(&goals, &[]);
    planner.bus_lost();
    assert_eq!(planner.plan(NOW), Err(Wait::NoBus));
    planner.bus_back(NOW);
    assert_eq!(planner.plan(seconds(11)), Err(Wait::Listening));
    assert_eq!(plan(&mut planner, seconds(12)), ["start v.0"]);
    assert_eq!(planner.plan(seconds(61)), Err(Wait::DesiredStale));
    let mut empty = Planner::new(Policy::default());
    empty.bus_back(NOW);
    assert_eq!(empty.plan(seconds(12)), Err(Wait::DesiredUnknown));
}

#[test]
fn what_has_just_changed_is_left_to_whoever_changed_it() {
    let mut planner = settled(&[process("p", "v", 1)], &["v.0.r"]);
    planner.desired_one("p", Some(process("p", "w", 1)), NOW);
    assert_eq!(plan(&mut planner, NOW), [""; 0]);
    hear(&mut planner, "d", &["v.0.r"], seconds(6));
    assert_eq!(plan(&mut planner, seconds(6)), ["start w.0"]);
}

#[test]
fn a_start_that_came_to_nothing_is_asked_for_again() {
    let mut planner = settled(&[process("p", "v", 1)], &[]);
    assert_eq!(plan(&mut planner, NOW), ["start v.0"]);
    assert_eq!(plan(&mut planner, seconds(9)), [""; 0]);
    assert_eq!(plan(&mut planner, seconds(10)), ["start v.0"]);
}

#[test]
fn instances_go_with_a_dea_that_is_silent() {
    let mut planner = settled(&[process("p", "v", 2)], &["v.0.r", "v.1.r"]);
    hear(&mut planner, "other", &[], seconds(7));
    assert_eq!(plan(&mut planner, seconds(6)), [""; 0]);
    assert_eq!(plan(&mut planner, seconds(7)), ["start v.0", "start v.1"]);
}

#[test]
fn who_crashes_again_and_again_waits() {
    let mut planner = settled(&[process("p", "v", 2)], &["v.0.r", "v.1.r"]);
    for second in 0..3 {
        crash(&mut planner, "v.1.r", seconds(second));
        hear(&mut planner, "d", &["v.0.r", "v.1.c"], seconds(second));
        assert_eq!(plan(&mut planner, seconds(second)), ["start v.1"]);
        hear(&mut planner, "d", &["v.0.r", "v.1.r"], seconds(second));
    }
    crash(&mut planner, "v.1.r", seconds(3));
    for (second, expected) in [(3, &[][..]), (32, &[]), (33, &["start v.1"])] {
        hear(&mut planner, "d", &["v.0.r", "v.1.c"], seconds(second));
        assert_eq!(plan(&mut planner, seconds(second)), expected, "{second}");
    }
}

#[test]
fn where_everything_crashes_one_instance_alone_is_tried() {
    let mut planner = settled(&[process("p", "v", 3)], &[]);
    for index in 0..3 {
        crash(&mut planner, &format!("v.{index}.r"), NOW);
    }
    assert_eq!(plan(&mut planner, NOW), ["start v.0"]);
    hear(&mut planner, "d", &["v.0.r"], seconds(2));
    assert_eq!(plan(&mut planner, seconds(2)), ["start v.1", "start v.2"]);
}

#[test]
fn what_no_controller_knows_is_stopped_after_a_while() {
    let mut planner = settled(&[], &["v.0.r", "v.1.c"]);
    assert_eq!(plan(&mut planner, NOW), [""; 0]);
    planner.begin_desired();
    planner.end_desired(seconds(60), seconds(60));
    hear(&mut planner, "d", &["v.0.r", "v.1.c"], seconds(60));
    assert_eq!(plan(&mut planner, seconds(60)), ["stop v.0.r"]);
}

#[test]
fn those_who_miss_most_come_first_and_not_all_at_once() {
    let policy = Policy {
        at_once: 3,
        ..Policy::default()
    };
    let mut planner = settled(
        &[process("p", "v", 4), process("q", "v", 2)],
        &["v.0.r", "v.1.r", "v.2.r"],
    );
    planner.policy = policy;
    let repairs = planner.plan(NOW).unwrap();
    let names = repairs.iter().map(|repair| match repair {
        Repair::Start { process, .. } | Repair::Stop { process, .. } => process.as_str(),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["q", "q", "p"]);
}

/// Reports how long a plan takes: `cargo test --release -p health-manager-core -- --nocapture a_large`.
#[test]
fn a_large_cloud_is_planned_whole() {
    const PROCESSES: u32 = 25_000;
    const INSTANCES: u32 = 4;
    let mut planner = settled(&[], &[]);
    let name = |number: u32| format!("{number:036}");
    let goals = (0..PROCESSES).map(|number| process(&name(number), &name(number), INSTANCES));
    let long_ago = Tick::from_millis(NOW.as_millis() - 60_000);
    planner.begin_desired();
    planner.desired_part(goals.collect());
    planner.end_desired(long_ago, long_ago);
    for dea in 0..100 {
        // Of the last instance of all, nothing is heard.
        let all = (0..PROCESSES * INSTANCES - 1).filter(|number| number % 100 == dea);
        let beat = |number: u32| InstanceBeat {
            droplet: name(number / INSTANCES),
            version: name(number / INSTANCES),
            instance: format!("{number:032}"),
            index: number % INSTANCES,
            state: InstanceState::Running,
            ..InstanceBeat::default()
        };
        let heartbeat = Heartbeat {
            dea: format!("d{dea}"),
            droplets: all.map(beat).collect(),
        };
        planner.heard(heartbeat, NOW);
    }
    let began = std::time::Instant::now();
    let repairs = planner.plan(NOW).unwrap();
    eprintln!("100,000 instances: {:?}", began.elapsed());
    assert_eq!(repairs.len(), 1);
}
