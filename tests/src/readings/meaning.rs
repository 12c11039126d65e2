//! What a path may mean to whoever looks at it once more: is it below `/admin`?

use percent_encoding::percent_decode;

/// Where a path leads, by the least favourable of its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// Not below `/admin`.
    Elsewhere,
    /// Below it for a file system that folds case, cuts at NUL, drops dots and spaces at the end of a
    /// name, or takes characters for others that look alike.
    Loosely,
    /// Below it as it stands, or after it was decoded once or twice, its dot segments resolved, its
    /// parameters dropped, its backslashes taken for slashes, or cut at `?` or `#`.
    Admin,
}

const ADMIN: &str = "admin";

/// How often somebody may decode it.
const DECODINGS: usize = 3;

/// The least favourable meaning of a path or request target.
#[must_use]
pub fn meaning(text: &str) -> Meaning {
    let path = origin_form(text);
    let raw = path.split_once('?').map_or(path, |(path, _)| path).as_bytes().to_vec();
    let decoded = std::iter::successors(Some(raw), |bytes| Some(percent_decode(bytes).collect()));
    let readings: Vec<String> =
        decoded.take(DECODINGS).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    let strict = |text: &String| variants(text).iter().any(|path| first_segment(path) == ADMIN);
    let loose = |text: &String| variants(&loosened(text)).iter().any(|path| first_segment(path) == ADMIN);
    if readings.iter().any(strict) {
        Meaning::Admin
    } else if readings.iter().any(loose) {
        Meaning::Loosely
    } else {
        Meaning::Elsewhere
    }
}

/// What comes behind scheme and authority, where there are any.
fn origin_form(text: &str) -> &str {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
        }
        _ => text,
    }
}

fn variants(path: &str) -> Vec<String> {
    let steps: [fn(&str) -> String; 3] = [
        |path| path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        |path| path.replace('\\', "/"),
        |path| {
            let names = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
            names.collect::<Vec<_>>().join("/")
        },
    ];
    let mut variants = vec![path.to_owned()];
    for step in steps {
        for index in 0..variants.len() {
            let variant = variants.get(index).map(|variant| step(variant));
            variants.extend(variant.filter(|variant| !variants.contains(variant)));
        }
    }
    variants
}

/// The first segment after dot segments are resolved and empty ones dropped.
fn first_segment(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.first().copied().unwrap_or_default().to_owned()
}

fn loosened(path: &str) -> String {
    let path = path.split('\0').next().unwrap_or_default();
    let plain: String = path.chars().flat_map(look_alike).collect();
    let names = plain.split('/').map(|segment| match segment {
        "." | ".." => segment,
        // `.. ` and `..::$DATA` are names of the parent for some; all else loses its dots.
        _ => match segment.split(':').next().unwrap_or_default().trim_end_matches(char::is_whitespace) {
            name @ ("." | "..") => name,
            name => name.trim_end_matches(|c: char| c == '.' || c.is_whitespace()),
        },
    });
    names.collect::<Vec<_>>().join("/").to_ascii_lowercase()
}

fn look_alike(character: char) -> Vec<char> {
    match character {
        // Full width forms, one for each character of ASCII.
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(character).checked_sub(0xfee0).and_then(char::from_u32).into_iter().collect()
        }
        '\u{2024}' => vec!['.'],
        '\u{2025}' => vec!['.', '.'],
        '\u{2044}' | '\u{2215}' => vec!['/'],
        '\u{2216}' => vec!['\\'],
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}' | '\u{ad}' => Vec::new(),
        '\u{430}' | '\u{24d0}' => vec!['a'],
        '\u{131}' | '\u{130}' => vec!['i'],
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Admin, Elsewhere, Loosely};
    use super::meaning;

    #[test]
    fn a_path_means_what_the_worst_reader_makes_of_it() {
        for (path, expected) in [
            ("/admin", Admin),
            ("/admin?x", Admin),
            ("/api/..%2fadmin", Admin),
            ("/api/%252e%252e/admin", Admin),
            ("/api/..;/admin", Admin),
            ("/api\\..\\admin", Admin),
            ("//admin", Admin),
            ("/admin;x/y", Admin),
            ("/admin%3fx", Admin),
            ("http://www.example.test/admin", Admin),
            ("/ADMIN/x", Loosely),
            ("/admin%20/x", Loosely),
            ("/admin%00.json", Loosely),
            ("/api/.. /admin", Loosely),
            ("/%ef%bd%81dmin", Loosely),
            ("/api/admin", Elsewhere),
            ("/administrator", Elsewhere),
            ("/api/x?/../admin", Elsewhere),
            ("/admin.json", Elsewhere),
            ("/", Elsewhere),
        ] {
            assert_eq!(meaning(path), expected, "{path}");
        }
    }
}
