//! The API as seen by the Python client that many scripts are written with.

use std::path::Path;
use std::process::Command;

use cf_driver::commands::Push;

use crate::cloud::{Cloud, PASSWORD, with_cloud};
use crate::fake_dea::Staging;

#[test]
fn scripts_written_with_cloudfoundry_client_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join(".tools/venv/bin/python3");
    let script = root.join("controller/tests/apps/python_client.py");
    let there = Command::new(&python)
        .args(["-c", "import cloudfoundry_client"])
        .output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: cloudfoundry-client: not installed (scripts/setup.sh python-client)");
        return;
    }
    with_cloud("cloudfoundry-client", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        dea.until_runs(&pushed.summary.app.guid, &[0]).await;
        let url = format!("http://{}", cloud.process.address());
        let mut command = Command::new(&python);
        command.arg(&script).args([url.as_str(), "admin", PASSWORD]);
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    });
}
