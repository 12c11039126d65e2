//! Load by `wrk`, which Debian packages: as many requests as are answered, or the time that they take.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use countersign_tests::trouble::Trouble;
use countersign_tests::world::HOST;

use crate::edge::TARGET;

/// Prints what `wrk` itself rounds; called once, when all requests are over.
const SCRIPT: &str = r#"
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("result %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// How hard and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections; each sends its next request when the last one was answered.
    pub(crate) connections: u32,
    /// For how long, in whole seconds.
    pub(crate) time: Duration,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// How many requests were answered.
    pub(crate) requests: f64,
    /// Requests answered in a second.
    pub(crate) rate: f64,
    /// Half of the requests took no longer, in microseconds.
    pub(crate) p50: f64,
    /// 99 of 100 took no longer, in microseconds.
    pub(crate) p99: f64,
}

/// Sends GETs with one assertion to `address`. Every one must be answered by a status below 400.
pub(crate) fn run(
    address: SocketAddr,
    assertion: &str,
    load: Load,
    folder: &Path,
) -> Result<Outcome, Trouble> {
    run_for([HOST, TARGET], address, assertion, load, folder)
}

/// The same for another host and target.
pub(crate) fn run_for(
    [host, target]: [&str; 2],
    address: SocketAddr,
    assertion: &str,
    load: Load,
    folder: &Path,
) -> Result<Outcome, Trouble> {
    let script = folder.join("done.lua");
    std::fs::write(&script, SCRIPT).map_err(Trouble::io("write the script for wrk"))?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &load.connections.to_string()])
        .args(["--duration", &format!("{}s", load.time.as_secs())])
        .args(["--header", &format!("Host: {host}")])
        .args(["--header", &format!("Countersign-Assertion: {assertion}")])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{address}{target}"))
        .output()
        .map_err(Trouble::io("start `wrk` (apt-get install wrk)"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = said.lines().find_map(|line| line.strip_prefix("result "));
    let numbers: Vec<f64> =
        result.unwrap_or_default().split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        &[requests, duration, 0.0, p50, p99] if requests > 0.0 => {
            Ok(Outcome { requests, rate: requests / (duration / 1e6), p50, p99 })
        }
        _ => Err(Trouble::unexpected("wrk to end without an error and without a refusal", said)),
    }
}
