//! How other servers may read a path that we read in one way.

/// The paths that come of undoing, in every combination, what some servers undo before they look
/// for segments: each differs from `path` and from the others, and is still percent-encoded.
pub(super) fn readings(path: &str) -> Vec<String> {
    let mut readings = vec![path.to_owned()];
    // Parameters are dropped before `%2F` is decoded (Tomcat), or by a server behind one that decodes.
    let steps: [fn(&str) -> Option<String>; 6] =
        [until_question_mark, until_hash, without_parameters, with_slashes, without_parameters, merged];
    for step in steps {
        for index in 0..readings.len() {
            let undone = readings.get(index).and_then(|reading| step(reading));
            readings.extend(undone.filter(|undone| !readings.contains(undone)));
        }
    }
    readings.remove(0);
    readings
}

fn until_question_mark(path: &str) -> Option<String> {
    before(path, |rest| rest.starts_with("%3F") || rest.starts_with("%3f")).map(str::to_owned)
}

fn until_hash(path: &str) -> Option<String> {
    before(path, |rest| rest.starts_with("%23")).map(str::to_owned)
}

fn without_parameters(path: &str) -> Option<String> {
    let begins = |rest: &str| rest.starts_with([';']) || rest.starts_with("%3B") || rest.starts_with("%3b");
    before(path, begins)?;
    let mut names = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        names.push_str(if index == 0 { "" } else { "/" });
        names.push_str(before(segment, begins).unwrap_or(segment));
    }
    Some(names)
}

fn with_slashes(path: &str) -> Option<String> {
    let encoded = path.contains("%2F") || path.contains("%2f");
    encoded.then(|| path.replace("%2F", "/").replace("%2f", "/"))
}

fn merged(path: &str) -> Option<String> {
    if !path.contains("//") {
        return None;
    }
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    Some(merged)
}

/// What stands before the first `%` or `;` at which `is_mark` says yes. One pass over a long path.
fn before(text: &str, is_mark: impl Fn(&str) -> bool) -> Option<&str> {
    let mut candidates = text.match_indices(['%', ';']).map(|(at, _)| text.split_at_checked(at));
    candidates.find_map(|cut| cut.filter(|(_, rest)| is_mark(rest))).map(|(before, _)| before)
}
