//! Requests to a stack's API.

use crate::harness::client::answer::{Answer, multipart};
use crate::harness::client::curl::curl;
use crate::harness::stack::{ADMINISTRATOR, PASSWORD, Stack, Tenant};

impl Stack {
    /// Whether the API reports that it is ready.
    pub async fn is_ready(&self) -> bool {
        let url = format!("{}/ready", self.url);
        if self.speaks_tls {
            return curl(["--insecure", &url]).await.status == 200;
        }
        self.client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// A request as the administrator.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).basic_auth(ADMINISTRATOR, Some(PASSWORD))
    }

    /// A request without credentials.
    pub fn anonymous(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => panic!("no answer: {error:?}{}", self.logs()),
        }
    }

    /// GETs a path as the administrator.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(reqwest::Method::GET, path)).await
    }

    /// A request that uploads a file as the administrator.
    pub fn upload(&self, path: &str, file: impl AsRef<[u8]>) -> reqwest::RequestBuilder {
        let (content_type, body) = multipart("Content-Type: text/csv\r\n", file.as_ref());
        self.request(reqwest::Method::POST, path).header("content-type", content_type).body(body)
    }

    /// Posts a file of users and waits for the result.
    pub async fn post_users(&self, file: impl AsRef<[u8]>) -> Answer {
        self.send(self.upload("/api/import/users", file)).await
    }

    /// Posts a file of users to a tenant and waits for the result.
    pub async fn post_users_of(&self, tenant: &Tenant, file: impl AsRef<[u8]>) -> Answer {
        self.send(self.upload(&format!("/api/import/users?tenantId={}", tenant.name), file)).await
    }

    /// Posts a file of memberships and waits for the result.
    pub async fn post_groups(&self, file: impl AsRef<[u8]>) -> Answer {
        self.send(self.upload("/api/import/userGroups", file)).await
    }

    /// Posts a file of users to a tenant without waiting for the result, and returns the import's location.
    pub async fn submit(&self, tenant: &Tenant, file: impl AsRef<[u8]>) -> String {
        let path = format!("/api/import/users?tenantId={}", tenant.name);
        let answer = self.send(self.upload(&path, file).header("prefer", "respond-async")).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.header("location").expect("an accepted upload has a location").to_owned()
    }

    /// Waits up to a minute for the result of an import.
    pub async fn wait_for_result(&self, location: &str) -> Answer {
        self.send(self.request(reqwest::Method::GET, location).header("prefer", "wait=60")).await
    }
}
