//! Where and when it was measured: without that a figure says nothing.

use std::fs;

use countersign::serve::now;

/// Date, processor, kernel, and how busy the machine was before the first bench.
pub(crate) fn description() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    format!(
        "{date}, {processors} processors ({model}), Linux {kernel}; load average before it {load}",
        date = now().rfc3339().split('T').next().unwrap_or_default(),
        processors = std::thread::available_parallelism().map_or(1, usize::from),
        model = model.unwrap_or("unknown"),
        kernel = kernel.trim(),
        load = load.split(' ').next().unwrap_or_default(),
    )
}
