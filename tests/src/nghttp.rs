//! Requests by nghttp, an HTTP/2 client that nobody here wrote: several on one connection at once.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::ask::decision_id;
use crate::client::{Answer, PATIENCE};
use crate::pieces;
use crate::trouble::Trouble;

/// How much longer nghttp may take to end than it was told.
const GRACE: Duration = Duration::from_secs(2);

/// One run of nghttp, still to be made: HTTP/2 without TLS, known beforehand.
#[derive(Debug, Clone)]
pub struct Nghttp {
    authority: String,
    targets: Vec<String>,
    headers: Vec<(String, String)>,
    body: Option<&'static str>,
    times: usize,
}

impl Nghttp {
    /// Asks `authority`, by `:authority`, for all of `targets` on one connection.
    #[must_use]
    pub fn new(authority: &str, targets: &[&str]) -> Self {
        let targets = targets.iter().map(|&target| target.to_owned()).collect();
        Self { authority: authority.to_owned(), targets, headers: Vec::new(), body: None, times: 1 }
    }

    /// With a header line on every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body on every request, which makes them POST.
    #[must_use]
    pub fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    /// Each target so many times, as many streams.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Runs nghttp against `to`: the answers in the order of the streams; fewer than were asked for where
    /// streams ended without one.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without nghttp; [`Trouble::NoAnswer`] with what it says where it failed.
    pub async fn send(&self, to: SocketAddr) -> Result<Vec<Answer>, Trouble> {
        let no_answer = |why: String| Trouble::NoAnswer { peer: to.to_string(), why };
        let folder = tempfile::tempdir().map_err(Trouble::io("make a folder for nghttp"))?;
        let (archive, body) = (folder.path().join("archive.json"), folder.path().join("body"));
        let mut command = Command::new(pieces::nghttp()?);
        command.arg(format!("--timeout={}", PATIENCE.as_secs()));
        command.arg(format!("--har={}", archive.display())).arg(format!("--multiply={}", self.times));
        command.arg(format!("--header=:authority: {}", self.authority));
        for (name, value) in &self.headers {
            command.arg(format!("--header={name}: {value}"));
        }
        if let Some(text) = self.body {
            std::fs::write(&body, text).map_err(Trouble::io("write a body for nghttp"))?;
            command.arg(format!("--data={}", body.display()));
        }
        command.args(self.targets.iter().map(|target| format!("http://{to}{target}")));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE + GRACE, command.output())
            .await
            .map_err(|_| no_answer(format!("nghttp still runs after {:?}", PATIENCE + GRACE)))?
            .map_err(Trouble::io("run nghttp"))?;
        if !output.status.success() {
            return Err(no_answer(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let text = std::fs::read_to_string(&archive).map_err(Trouble::io("read nghttp's archive"))?;
        let archive: Value = serde_json::from_str(&text).unwrap_or_default();
        let entries = archive.pointer("/log/entries").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| Trouble::unexpected("an HTTP archive", &text))?;
        Ok(entries.iter().filter_map(|entry| answer(entry, &output.stdout)).collect())
    }
}

/// An entry of the archive, with its body: they come one behind the other, all of JSON, in no order. Of answers
/// to one decision the first is taken, and they are alike where the status is.
fn answer(entry: &Value, bodies: &[u8]) -> Option<Answer> {
    let status = entry.pointer("/response/status")?.as_u64().and_then(|status| u16::try_from(status).ok())?;
    if status == 0 {
        return None;
    }
    let lines = entry.pointer("/response/headers").and_then(Value::as_array)?;
    let text = |line: &Value, member: &str| line.get(member).and_then(Value::as_str).map(str::to_owned);
    let headers = lines.iter().filter_map(|line| Some((text(line, "name")?, text(line, "value")?)));
    let headers = headers.filter(|(name, _)| !name.starts_with(':')).collect();
    let took = entry.get("time").and_then(Value::as_f64).unwrap_or_default();
    let mut answer = Answer { status, headers, body: Vec::new(), took: Duration::from_secs_f64(took / 1e3) };
    let id = decision_id(&answer);
    let mut bodies = serde_json::Deserializer::from_slice(bodies).into_iter::<Value>().filter_map(Result::ok);
    let body = bodies.find(|body| {
        let of_body = Answer { headers: Vec::new(), body: body.to_string().into_bytes(), ..answer.clone() };
        let is_refusal = body.get("status").and_then(Value::as_u64).is_some();
        decision_id(&of_body) == id && is_refusal == (status >= 400)
    });
    answer.body = body.unwrap_or_default().to_string().into_bytes();
    Some(answer)
}
