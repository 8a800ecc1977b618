//! Names that hosts may have.

use tests_kit::{Backend, script};
use tests_kit_router::TestRouter;

#[test]
fn hosts_with_sub_delimiters_are_served() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .route("a!$&'()+,;=b.test", &[backend.address()])
        .route("*.a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    for host in [
        "a!$&'()+,;=b.test",
        "A!$&'()+,;=B.test:80",
        "x!$&'()*+,;=y.a.test",
        "a.test,b.a.test",
    ] {
        assert_eq!(client.get(host, "/").text(), "hi", "{host}");
        let requests = backend.requests();
        let head = &requests.last().unwrap().head;
        assert_eq!(head.field("Host"), Some(host));
    }
    assert_eq!(client.get("a,b.test", "/").status(), 404);
    assert_eq!(client.get("x,y.a.test:http", "/").status(), 400);
}
