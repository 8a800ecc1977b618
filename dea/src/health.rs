//! Whether an instance is well.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::bus::dea::HealthCheck;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long an instance may take for one connection or answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries until the instance at `address` is well, for `limit` at most. Returns whether it is.
pub(crate) async fn is_well(
    check: &HealthCheck,
    address: SocketAddr,
    limit: Duration,
    http: &reqwest::Client,
) -> bool {
    let tries = async {
        while !timeout(PATIENCE, is_well_now(check, address, http))
            .await
            .unwrap_or(false)
        {
            sleep(PAUSE).await;
        }
    };
    timeout(limit, tries).await.is_ok()
}

async fn is_well_now(check: &HealthCheck, address: SocketAddr, http: &reqwest::Client) -> bool {
    match check {
        HealthCheck::Process => true,
        HealthCheck::Port => TcpStream::connect(address).await.is_ok(),
        HealthCheck::Http { endpoint } => {
            let path = endpoint.trim_start_matches('/');
            let answer = http.get(format!("http://{address}/{path}")).send().await;
            answer.is_ok_and(|answer| answer.status() == reqwest::StatusCode::OK)
        }
    }
}

#[cfg(test)]
mod tests {
    use tests_kit::free_address;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(300);

    fn http(endpoint: &str) -> HealthCheck {
        HealthCheck::Http {
            endpoint: endpoint.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_port_that_nobody_opens_is_not_well() {
        let client = reqwest::Client::new();
        let closed = free_address();
        assert!(!is_well(&HealthCheck::Port, closed, SHORT, &client).await);
        assert!(!is_well(&http("/"), closed, SHORT, &client).await);
        assert!(is_well(&HealthCheck::Process, closed, SHORT, &client).await);
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = open.local_addr().unwrap();
        assert!(is_well(&HealthCheck::Port, address, LONG, &client).await);
    }
    #[tokio::test]
    async fn an_answer_other_than_200_is_not_well() {
        let app = axum::Router::new()
            .route("/up", axum::routing::get(async || "up"))
            .route(
                "/elsewhere",
                axum::routing::get(async || axum::response::Redirect::to("/up")),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = component::tasks::Tasks::new();
        tasks.spawn("app", async move {
            axum::serve(listener, app).await.unwrap();
        });
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(none).build().unwrap();
        for (endpoint, expected) in [
            ("/up", true),
            ("up", true),
            ("/down", false),
            ("/elsewhere", false),
        ] {
            let limit = if expected { LONG } else { SHORT };
            let found = is_well(&http(endpoint), address, limit, &client).await;
            assert_eq!(found, expected, "{endpoint}");
        }
    }
}
