//! How an application read one request, in its own words.

use serde_json::Value;

/// Ends a field of nginx's answer.
const END: char = '\u{1e}';

/// Which application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// nginx by itself.
    Nginx,
    /// Node.js.
    Node,
    /// PHP by FastCGI behind nginx.
    Php,
}

impl Reader {
    /// All, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Node, Self::Php];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Node => "Node.js",
            Self::Php => "PHP",
        }
    }
}

/// What an application said that it read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Who.
    pub reader: Reader,
    /// The status of its answer; none where it said nothing.
    pub status: Option<u16>,
    /// Paths by the name of whoever reads them so; the first is what an application would route by.
    pub paths: Vec<(String, String)>,
    /// Hosts, likewise.
    pub hosts: Vec<(String, String)>,
    /// Header fields, names as it has them.
    pub headers: Vec<(String, String)>,
}

impl Reading {
    /// An application that said nothing.
    #[must_use]
    pub fn silent(reader: Reader) -> Self {
        Self { reader, status: None, paths: Vec::new(), hosts: Vec::new(), headers: Vec::new() }
    }

    /// Reads its answer. A refusal by its own server tells nothing but the status.
    #[must_use]
    pub fn of(reader: Reader, status: u16, body: &[u8]) -> Self {
        let mut reading = Self { status: Some(status), ..Self::silent(reader) };
        let fields = match reader {
            Reader::Nginx => by_separators(body),
            Reader::Node | Reader::Php => serde_json::from_slice(body).map(by_triples).unwrap_or_default(),
        };
        for (kind, name, value) in fields {
            if value.is_empty() {
                continue;
            }
            match kind.as_str() {
                "path" => reading.paths.push((name, value)),
                "host" => reading.hosts.push((name, value)),
                _ => reading.headers.push((name, value)),
            }
        }
        reading
    }

    /// Whether it told what it read.
    #[must_use]
    pub fn told(&self) -> bool {
        !self.paths.is_empty()
    }

    /// All values of a header, by its folded name.
    pub fn all<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(name, _)| fold(name) == folded).map(|(_, value)| value.as_str())
    }
}

/// A header's name without case, and with every byte but letters and digits read as `-`.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

type Field = (String, String, String);

fn by_separators(body: &[u8]) -> Vec<Field> {
    let text = String::from_utf8_lossy(body);
    let field = |field: &str| {
        let (name, value) = field.trim_start().split_once('=')?;
        let (kind, name) = name.split_once(' ')?;
        Some((kind.to_owned(), name.to_owned(), value.to_owned()))
    };
    text.split_terminator(END).filter_map(field).collect()
}

fn by_triples(told: Value) -> Vec<Field> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let triple = |triple: &Value| Some((text(triple.get(0))?, text(triple.get(1))?, text(triple.get(2))?));
    told.as_array().into_iter().flatten().filter_map(triple).collect()
}
