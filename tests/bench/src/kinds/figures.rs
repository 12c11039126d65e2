//! The lines of the report: each kind beside the empty program, and beside what was promised.

use super::Kind;
use super::asked::{Taken, Turns};
use crate::interleaved::median;
use crate::report::{Line, Target};

/// What Fastly grants a request in processor time, in microseconds.
const BUDGET: f64 = 50_000.0;
/// What a request with a session may take, as a multiple of its bound.
const MOST: Target = Target::AtMost(1.0);

/// The lines of all kinds, the first being the empty program, and of the bound of the one at `session`.
pub(super) fn lines(kinds: &[Kind], session: usize, turns: &Turns) -> Vec<Line> {
    let taken_by = |index: usize| turns.taken.get(index).map(Vec::as_slice).unwrap_or_default();
    let empty = taken_by(0);
    let mut lines: Vec<_> = kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| match index {
            0 => Line::new(kind.what, figure(empty)),
            _ => kind_line(kind.what, taken_by(index), empty),
        })
        .collect();
    let (signature, mac) = (median(turns.signature.clone()), median(turns.mac.clone()));
    lines.push(Line::new("a signature, Ed25519 over 300 bytes", format!("{signature:.1} us")));
    lines.push(Line::new("a MAC, HMAC-SHA-256 over 300 bytes", format!("{mac:.1} us")));
    for (what, of) in [
        ("session cookie, processor", (|it| it.processor) as fn(&Taken) -> f64),
        ("session cookie, until answered", |it| it.answered),
    ] {
        let bound = |empty: &Taken| 2.0 * of(empty) + signature + mac;
        let ratio =
            median(taken_by(session).iter().zip(empty).map(|(it, empty)| of(it) / bound(empty)).collect());
        let figure = format!(
            "{:.0} us; twice (a), a signature and a MAC are {:.0} us",
            median(taken_by(session).iter().map(of).collect()),
            median(empty.iter().map(bound).collect()),
        );
        lines.push(Line::new(what, figure).beside("that bound", ratio, Some(MOST)));
    }
    lines
}

/// What a kind takes beside a request with a session.
pub(super) fn beside_session(kinds: &[Kind], session: usize, kind: usize, turns: &Turns) -> Line {
    let taken_by = |index: usize| turns.taken.get(index).map(Vec::as_slice).unwrap_or_default();
    let pairs = || taken_by(kind).iter().zip(taken_by(session));
    let more = median(pairs().map(|(it, session)| it.processor - session.processor).collect());
    let ratio = median(pairs().map(|(it, session)| it.processor / session.processor).collect());
    let what = kinds.get(kind).map_or("", |kind| kind.what);
    Line::new(what, format!("processor, {more:.0} us more")).beside("session cookie", ratio, None)
}

fn figure(taken: &[Taken]) -> String {
    let middle = |of: fn(&Taken) -> f64| median(taken.iter().map(of).collect());
    format!("processor {:.0} us, answered in {:.0} us", middle(|it| it.processor), middle(|it| it.answered))
}

fn kind_line(what: &str, taken: &[Taken], empty: &[Taken]) -> Line {
    let pairs = || taken.iter().zip(empty);
    let more = median(pairs().map(|(it, empty)| it.processor - empty.processor).collect());
    let share = 100.0 * more / BUDGET;
    let beyond = if share > 0.0 { format!("{share:.1} % of 50 ms") } else { "nothing".to_owned() };
    let figure = format!("{}; beyond (a) {beyond}", figure(taken));
    let ratio = median(pairs().map(|(it, empty)| it.processor / empty.processor).collect());
    Line::new(what, figure).beside("(a)", ratio, None)
}
