//! How other servers may read a path that we read in one way.

/// The paths that come of undoing, in every combination, what some servers undo before they look
/// for segments: each differs from `path` and from the others, and is still percent-encoded.
pub(super) fn readings(path: &str) -> Vec<String> {
    let mut readings = vec![path.to_owned()];
    // Parameters are dropped before `%2F` is decoded (Tomcat), or by a server behind one that decodes.
    let steps: [fn(&str) -> String; 6] =
        [until_question_mark, until_hash, without_parameters, with_slashes, without_parameters, merged];
    for step in steps {
        for index in 0..readings.len() {
            let undone = readings.get(index).map(|reading| step(reading));
            readings.extend(undone.filter(|undone| !readings.contains(undone)));
        }
    }
    readings.remove(0);
    readings
}

fn until_question_mark(path: &str) -> String {
    cut(path, &["%3F", "%3f"]).to_owned()
}

fn until_hash(path: &str) -> String {
    cut(path, &["%23"]).to_owned()
}

fn without_parameters(path: &str) -> String {
    let names: Vec<&str> = path.split('/').map(|segment| cut(segment, &[";", "%3B", "%3b"])).collect();
    names.join("/")
}

fn with_slashes(path: &str) -> String {
    path.replace("%2F", "/").replace("%2f", "/")
}

fn merged(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}

/// What stands before the first of `marks`.
fn cut<'a>(text: &'a str, marks: &[&str]) -> &'a str {
    let end = marks.iter().filter_map(|mark| text.find(mark)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}
