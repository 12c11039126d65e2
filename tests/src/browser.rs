//! A real browser: Debian's Chromium, driven by the script `tests/oidc/browser.mjs`.
//!
//! All of `*.example.test` leads to one address, the TLS front; no other name leads anywhere, and no
//! certificate is looked at. As every browser it asks for `/favicon.ico` by itself.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::Mutex;

use crate::journal::Place;
use crate::page::Page;
use crate::pieces;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::script::Scripts;
use crate::trouble::Trouble;

/// Longest wait for the browser to come up: two seconds, more on a busy machine.
const START: Duration = Duration::from_secs(45);
/// Longest wait for one command: the driver itself gives up after 15 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running browser. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    driver: Arc<Driver>,
    _process: Process,
}

impl Browser {
    /// Starts it with an empty profile in `folder` and waits until it can be driven; `front` is where
    /// `*.example.test` leads.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Chromium, Node.js or its packages, [`Trouble::NotReady`] with what
    /// it printed.
    pub async fn start(front: SocketAddr, folder: &Path, reaper: &Arc<Reaper>) -> Result<Self, Trouble> {
        let chromium = pieces::chromium()?;
        let scripts = Scripts::lay_out(folder)?;
        let home = folder.join("browser");
        std::fs::create_dir_all(&home).map_err(Trouble::io("make the browser's folder"))?;
        let journals = Journals::fresh();
        let mut command = scripts.command("browser.mjs");
        command.arg(chromium).arg(home.join("profile")).arg(front.to_string());
        // Whatever else it writes stays in the folder, too.
        command.env("HOME", &home).env("TMPDIR", &home);
        for name in
            ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY"]
        {
            command.env_remove(name);
        }
        let (process, input) = Process::start_spoken_to("the browser", &mut command, &journals, reaper)?;
        let input = ChildStdin::from_std(input).map_err(Trouble::io("open the pipe to the browser"))?;
        let ready = journals.out.wait_for(Place::START, |line| line.contains("\"ready\""), START).await;
        if ready.is_none() {
            return Err(Trouble::NotReady {
                what: "the browser".into(),
                waited: START,
                said: journals.tail(),
            });
        }
        let driver = Driver { input: Mutex::new(input), journals, next: AtomicU64::new(1) };
        Ok(Self { driver: Arc::new(driver), _process: process })
    }

    /// A browser that shares no cookies with any other one: another person's.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`] with what the browser said.
    pub async fn person(&self) -> Result<Person, Trouble> {
        let context = self.driver.ask("new_context", json!({})).await?;
        Ok(Person { driver: Arc::clone(&self.driver), context })
    }
}

/// One person's browser; it ends with the whole [`Browser`].
#[derive(Debug)]
pub struct Person {
    driver: Arc<Driver>,
    context: u64,
}

impl Person {
    /// Opens an empty page, which shares the person's cookies with their other ones.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`] with what the browser said.
    pub async fn page(&self) -> Result<Page, Trouble> {
        let number = self.driver.ask("new_page", json!({ "context": self.context })).await?;
        Ok(Page::new(Arc::clone(&self.driver), number))
    }
}

/// The conversation with the script: a line there, a line back, in any order.
#[derive(Debug)]
pub(crate) struct Driver {
    input: Mutex<ChildStdin>,
    journals: Journals,
    next: AtomicU64,
}

impl Driver {
    /// Gives one command and reads its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, command: &str, words: Value) -> Result<T, Trouble> {
        let no_answer = |why: String| Trouble::NoAnswer { peer: format!("the browser (`{command}`)"), why };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut line = words;
        if let Some(fields) = line.as_object_mut() {
            fields.insert("id".into(), id.into());
            fields.insert("command".into(), command.into());
        }
        let place = self.journals.out.end();
        self.write(&format!("{line}\n")).await.map_err(|error| no_answer(error.to_string()))?;
        let start = format!("{{\"id\":{id},");
        let answer = self.journals.out.wait_for(place, |line| line.starts_with(&start), PATIENCE).await;
        let answer = answer.ok_or_else(|| {
            no_answer(format!("nothing within {PATIENCE:?}; it said:\n{}", self.journals.err.tail(20)))
        })?;
        let mut answer: Value =
            serde_json::from_str(&answer).map_err(|error| no_answer(format!("{error} in `{answer}`")))?;
        if let Some(error) = answer.get("error") {
            return Err(no_answer(error.as_str().unwrap_or_default().to_owned()));
        }
        let value = answer.get_mut("ok").map(Value::take).unwrap_or_default();
        let text = value.to_string();
        serde_json::from_value(value).map_err(|error| no_answer(format!("{error} in `{text}`")))
    }

    async fn write(&self, line: &str) -> io::Result<()> {
        let mut input = self.input.lock().await;
        input.write_all(line.as_bytes()).await?;
        input.flush().await
    }
}
