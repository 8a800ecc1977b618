//! Uploads that are not what they should be.

use cf_driver::commands::Push;
use cf_driver::fault::refused;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::cloud::{Cloud, with_cloud, with_small_disk, zip};
use crate::fake_dea::Staging;

const BOUNDARY: &str = "b0undary";

fn form(zip: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"resources\"\r\n\r\n[]\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"bits\"; filename=\"package.zip\"\r\n\
         Content-Type: application/zip\r\n\r\n"
    );
    let mut form = head.into_bytes();
    form.extend_from_slice(zip);
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    form
}

async fn package(cloud: &mut Cloud) -> String {
    let mut push = Push::new("quill", cloud.files.path());
    push.starts = false;
    let space = cloud.space.clone();
    let pushed = push.run(&mut cloud.session, &space).await.unwrap();
    let body = json!({
        "type": "bits",
        "relationships": {"app": {"data": {"guid": pushed.summary.app.guid}}},
    });
    let made = cloud
        .session
        .change::<Value>(Method::POST, "/v3/packages", &body)
        .await;
    made.unwrap()["guid"].as_str().unwrap().to_owned()
}

async fn state(cloud: &mut Cloud, package: &str) -> String {
    let path = format!("/v3/packages/{package}");
    let package: Value = cloud.session.get(&path, &[]).await.unwrap();
    package["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_package_that_leaves_its_place_or_explodes_is_refused_with_words() {
    with_cloud("bad packages", async |mut cloud: Cloud| {
        let zeros = vec![0; 20 << 20];
        let long: &[(&str, &[u8])] = &[("zeros", &zeros)];
        for (entries, words) in [
            (
                &[("a", &b"x"[..]), ("../../etc/passwd", b"x")][..],
                "bad path",
            ),
            (long, "times larger"),
        ] {
            let guid = package(&mut cloud).await;
            let path = format!("/v3/packages/{guid}/upload");
            let kind: &'static str = "multipart/form-data; boundary=b0undary";
            let sent = cloud
                .session
                .upload::<Value>(&path, kind, form(&zip(entries)))
                .await;
            let told = format!("{:#}", sent.unwrap_err());
            assert!(told.contains(words), "{told}");
            assert_eq!(state(&mut cloud, &guid).await, "FAILED");
        }
    });
}

#[test]
fn an_upload_that_is_cut_leaves_no_package_that_is_ready() {
    with_cloud("a cut upload", async |mut cloud: Cloud| {
        let guid = package(&mut cloud).await;
        let whole = form(&zip(&[("a", b"hello")]));
        let token = cloud.token().await;
        let mut stream = TcpStream::connect(cloud.process.address()).await.unwrap();
        let head = format!(
            "POST /v3/packages/{guid}/upload HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {token}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
            whole.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&whole[..whole.len() / 2]).await.unwrap();
        drop(stream);
        assert_eq!(state(&mut cloud, &guid).await, "AWAITING_UPLOAD");
        // It can be sent again, and only once.
        let path = format!("/v3/packages/{guid}/upload");
        let kind: &'static str = "multipart/form-data; boundary=b0undary";
        let sent: Value = cloud
            .session
            .upload(&path, kind, whole.clone())
            .await
            .unwrap();
        assert_eq!(sent["state"], "READY");
        let again = cloud.session.upload::<Value>(&path, kind, whole).await;
        assert!(format!("{:#}", again.unwrap_err()).contains("only once"));
    });
}

#[test]
fn a_full_disk_fails_the_push_and_nothing_else() {
    with_small_disk("a full disk", 32, async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        let disk = cloud.disk.take().unwrap();
        disk.fill();
        let failed = push.run(&mut cloud.session, &space).await.unwrap_err();
        let refused = refused(&failed).unwrap_or_else(|| panic!("{failed:#}"));
        assert_eq!(refused.status, 503, "{failed:#}");
        assert_eq!(refused.errors[0].title, "CF-ServiceUnavailable");
        // Who asks is answered, and what runs goes on.
        let summary = cloud.session.app("quill", &space).await.unwrap();
        assert_eq!(summary.web(), (1, 1));
        assert_eq!(dea.indices(&app), [0]);
        assert_eq!(dea.told.lock().unwrap().starts.len(), 1);
        disk.make_room();
        push.run(&mut cloud.session, &space).await.unwrap();
        cloud.disk = Some(disk);
    });
}
