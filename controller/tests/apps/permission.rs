//! Who may send a request.

use cf_driver::fault::refused;
use cf_driver::session::Session;
use reqwest::Method;
use serde_json::Value;

/// A request, and the status that each of several users gets; 200 stands for every success.
pub(crate) struct Row<const USERS: usize> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) expected: [u16; USERS],
}

impl<const USERS: usize> Row<USERS> {
    /// Sends it as the user of that column.
    pub(crate) async fn check(&self, session: &mut Session, column: usize, role: Option<&str>) {
        let answer = if self.method == Method::GET {
            session.get::<Value>(&self.path, &[]).await
        } else {
            session
                .change::<Value>(self.method.clone(), &self.path, &self.body)
                .await
        };
        let told = match answer {
            Ok(_) => 200,
            Err(error) => refused(&error).map_or(200, |refused| refused.status),
        };
        let (method, path, expected) = (&self.method, &self.path, self.expected[column]);
        assert_eq!(told, expected, "{role:?}: {method} {path} {}", self.body);
    }
}
