//! The corpus: `tests/vectors/corpus/corpus.json`, line by line.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pieces;
use crate::trouble::Trouble;
use crate::world::HOST;

/// What stands in a text for [`Line::pad`] times the letter `A`.
const PAD: &str = "{pad}";
/// Of a label, in characters: what is longer is cut.
const LONGEST_LABEL: usize = 110;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// Where lines come from, by the word that they name it with.
    pub sources: BTreeMap<String, String>,
    /// The requests.
    pub lines: Vec<Line>,
}

/// What is odd about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The target or the method.
    Path,
    /// The host.
    Host,
    /// Other header lines.
    Header,
    /// Where the request ends.
    Framing,
}

impl Kind {
    /// All, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Path, Self::Host, Self::Header, Self::Framing];

    /// The title of its part of the page.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Path => "Paths and methods",
            Self::Host => "Hosts",
            Self::Header => "Headers",
            Self::Framing => "Framing",
        }
    }
}

/// One request. In every text a character up to U+00FF is the byte of that number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What is odd about it.
    pub kind: Kind,
    /// A word of [`Corpus::sources`].
    pub source: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "things")]
    target: String,
    #[serde(default = "www")]
    hosts: Vec<String>,
    #[serde(default)]
    headers: Vec<[String; 2]>,
    #[serde(default)]
    body: String,
    /// Header lines `NAME-1` to `NAME-N` instead of each one given.
    #[serde(default)]
    times: Option<usize>,
    #[serde(default)]
    pad: usize,
}

fn get() -> String {
    "GET".into()
}

fn things() -> String {
    "/api/things".into()
}

fn www() -> Vec<String> {
    vec![HOST.into()]
}

impl Corpus {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Trouble::Missing`], [`Trouble::Io`], or [`Trouble::Unexpected`] with line and column.
    pub fn read() -> Result<Self, Trouble> {
        let path = pieces::tests_folder("vectors/corpus")?.join("corpus.json");
        let text = std::fs::read_to_string(&path).map_err(Trouble::io("read the corpus"))?;
        serde_json::from_str(&text)
            .map_err(|error| Trouble::unexpected(format!("lines in `{}`", path.display()), error.to_string()))
    }
}

impl Line {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The bytes of the target.
    #[must_use]
    pub fn target(&self) -> Vec<u8> {
        self.padded(&self.target)
    }

    /// The bytes of the first host; none where it has none.
    #[must_use]
    pub fn host(&self) -> Vec<u8> {
        self.hosts.first().map(|host| self.padded(host)).unwrap_or_default()
    }

    /// The bytes on the wire, with one header line more.
    #[must_use]
    pub fn bytes(&self, name: &str, value: &str) -> Vec<u8> {
        let mut bytes = bytes_of(&self.method);
        bytes.push(b' ');
        bytes.extend(self.target());
        bytes.extend(b" HTTP/1.1\r\n");
        let hosts = self.hosts.iter().map(|host| (b"Host".to_vec(), self.padded(host)));
        let ours = std::iter::once((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let headers: Vec<_> = hosts.chain(ours).chain(self.header_lines()).collect();
        for (name, value) in headers {
            bytes.extend(name);
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(bytes_of(&self.body));
        bytes
    }

    /// What is odd about it in words, the same for no two lines.
    #[must_use]
    pub fn label(&self) -> String {
        let mut parts = Vec::new();
        let request = [self.method.as_str(), self.target.as_str()];
        if self.kind == Kind::Path || request != [get().as_str(), things().as_str()] {
            let target = visible(&self.target);
            parts.push(if self.method == get() { target } else { format!("{} {target}", self.method) });
        }
        if self.kind == Kind::Host {
            parts.extend(self.hosts.iter().map(|host| format!("Host: {}", visible(host))));
            if self.hosts.is_empty() {
                parts.push("no Host".into());
            }
        }
        let times = self.times.map(|times| format!(", {times} times")).unwrap_or_default();
        let headers = self.headers.iter();
        parts.extend(headers.map(|[name, value]| format!("{}: {}{times}", visible(name), visible(value))));
        if !self.body.is_empty() {
            parts.push(format!("body {}", visible(&self.body)));
        }
        let pad = if self.pad == 0 { String::new() } else { format!(" ({PAD} is {} bytes)", self.pad) };
        let label = parts.join(" · ");
        if label.chars().count() <= LONGEST_LABEL {
            return label + &pad;
        }
        let beginning: String = label.chars().take(LONGEST_LABEL).collect();
        format!("{beginning}… ({} characters){pad}", label.chars().count())
    }

    fn header_lines(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.headers.iter().flat_map(|[name, value]| {
            let value = self.padded(value);
            let names: Vec<_> = match self.times {
                None => vec![self.padded(name)],
                Some(times) => (1..=times).map(|time| bytes_of(&format!("{name}-{time}"))).collect(),
            };
            names.into_iter().map(move |name| (name, value.clone()))
        })
    }

    fn padded(&self, text: &str) -> Vec<u8> {
        bytes_of(&text.replace(PAD, &"A".repeat(self.pad)))
    }
}

/// A character beyond U+00FF has no byte and is sent as UTF-8.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(character.to_string().into_bytes()),
        }
    }
    bytes
}

/// Bytes that have no glyph of their own as `\x00`.
fn visible(text: &str) -> String {
    bytes_of(text).escape_ascii().to_string().replace("\\\\", "\\").replace("\\\"", "\"").replace("\\'", "'")
}
