//! The controller ends at any moment of a push.

use std::env;
use std::time::Duration;

use cf_driver::commands::Push;
use tests_kit::eventually;

use crate::cloud::{Cloud, LONG, sample};

/// How often it ends.
const ENDS: usize = 20;
/// How long a push takes at most when it is not interrupted, roughly.
const PUSH: Duration = Duration::from_secs(6);

/// What was acknowledged is never lost, what runs goes on, and nothing is left over at the end.
pub(crate) async fn the_controller_may_end_anywhere(cloud: &mut Cloud) {
    let seed = env::var("SWITCHYARD_SEED").ok();
    let seed = seed.and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("the controller ends at moments chosen by SWITCHYARD_SEED={seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let space = cloud.space();
    let push = Push::new("quill", sample("static"));
    let others = cloud.engine.containers();
    let mut known = None;
    for _ in 0..ENDS {
        let moment = PUSH.mul_f64(chance.f64());
        tokio::select! {
            // How far it comes does not matter.
            pushed = push.run(&mut cloud.session, &space) => drop(pushed),
            () = tokio::time::sleep(moment) => {}
        }
        let before = cloud.session.find_app("quill", &space).await.ok();
        cloud.crash_controller().await;
        let after = cloud.session.find_app("quill", &space).await.ok();
        let (before, after) = (before.map(|app| app.guid), after.map(|app| app.guid));
        assert_eq!(before, after, "what was told is there");
        assert!(known.is_none() || known == after, "what was there stays");
        known = after;
        assert_eq!(cloud.get("hello", "/").0, 200, "what runs goes on");
    }
    let pushed = push.run(&mut cloud.session, &space).await;
    let pushed = pushed.unwrap_or_else(|error| panic!("{error:#}\n{}", cloud.logs()));
    cloud.until_served("quill");
    assert_eq!(Some(pushed.summary.app.guid), known);
    let is_tidy = eventually(LONG, || cloud.engine.containers().len() == others.len() + 1);
    assert!(
        is_tidy,
        "left over: {:?}\n{}",
        cloud.engine.containers(),
        cloud.logs()
    );
    cloud.session.delete_app("quill", &space).await.unwrap();
    assert!(eventually(LONG, || cloud.engine.containers() == others));
}
