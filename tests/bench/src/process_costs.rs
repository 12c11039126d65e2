//! What the kernel says of a process: its memory and its time.

use countersign_tests::memory;
use countersign_tests::trouble::Trouble;

/// Resident memory of a process in bytes.
#[allow(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
pub(crate) fn resident(process: u32) -> Result<f64, Trouble> {
    Ok(memory::resident(process)? as f64)
}

/// Processor time that a process has used, in microseconds, in steps of the kernel's 10 ms.
pub(crate) fn processor_time(process: u32) -> Result<f64, Trouble> {
    const MICROSECONDS_A_TICK: f64 = 10_000.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .map_err(Trouble::io("read the times of a process"))?;
    // proc(5): user and system time are fields 14 and 15; 2, the name, ends with the last `)`.
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    match ticks.as_slice() {
        [user, system] => Ok((user + system) * MICROSECONDS_A_TICK),
        _ => Err(Trouble::unexpected("the times of a process", stat)),
    }
}

/// Processor time that the threads of a process have used whose name begins so, in microseconds; to the
/// nanosecond where none of them runs at the moment.
pub(crate) fn time_of_threads(process: u32, name: &str) -> Result<f64, Trouble> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.map_err(Trouble::io("read the threads of a process"))?;
    let mut nanoseconds = 0.0;
    for task in tasks.flatten().map(|entry| entry.path()) {
        // A thread that has ended meanwhile is passed over.
        let read = |file| std::fs::read_to_string(task.join(file)).unwrap_or_default();
        if read("comm").starts_with(name) {
            // The first number of schedstat, see the kernel's Documentation/scheduler/sched-stats.rst.
            let used = read("schedstat").split_whitespace().next().and_then(|it| it.parse::<f64>().ok());
            nanoseconds += used.unwrap_or_default();
        }
    }
    Ok(nanoseconds / 1e3)
}

/// Bytes as text.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
}
