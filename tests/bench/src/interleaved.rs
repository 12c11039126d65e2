//! Timing several calls in turn, so that whatever drifts on the machine drifts under all of them.

use std::hint::black_box;
use std::time::Instant;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds; each call has one turn in each.
    pub(crate) rounds: usize,
    /// Calls in one turn: short beside the scheduler's.
    pub(crate) batch: u32,
}

/// The times of one call in nanoseconds, one a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<f64>);

/// A call that is timed; it says whether it went well.
pub(crate) type Call<'a, E> = Box<dyn FnMut() -> Result<(), E> + 'a>;

/// Depths of the stack that the rounds go through, a page in all.
const DEPTHS: usize = 16;

/// Times the calls in turn. Each round begins with another one of them, so that none always comes
/// after the same neighbour, and each stands at another depth of the stack: where buffers happen to
/// lie makes a signature a tenth slower or faster, for as long as a process lives.
pub(crate) fn interleaved<E>(effort: Effort, calls: &mut [Call<'_, E>]) -> Result<Vec<Times>, E> {
    let mut times = vec![Times::default(); calls.len()];
    for round in 0..effort.rounds {
        let order = (0..calls.len()).map(|turn| (round + turn) % calls.len().max(1));
        for index in order.collect::<Vec<_>>() {
            let (Some(call), Some(times)) = (calls.get_mut(index), times.get_mut(index)) else { continue };
            times.0.push(deeper(round % DEPTHS, &mut || turn(effort.batch, call))?);
        }
    }
    Ok(times)
}

/// The time of one call in nanoseconds.
fn turn<E>(batch: u32, call: &mut Call<'_, E>) -> Result<f64, E> {
    // Not timed: brings code and data of this call back into the caches.
    call()?;
    let began = Instant::now();
    for _ in 0..batch {
        call()?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(batch))
}

/// Runs something this many frames further down the stack.
#[inline(never)]
fn deeper<T>(frames: usize, run: &mut dyn FnMut() -> T) -> T {
    let frame = black_box([0_u8; 200]);
    let result = if frames == 0 { run() } else { deeper(frames - 1, run) };
    black_box(&frame);
    result
}

impl Times {
    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// The fastest one: other work on the machine only ever adds.
    pub(crate) fn fastest(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The middle one of this call's time over the other's, round by round.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// The middle value; of an even number the upper one, of none NaN.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
