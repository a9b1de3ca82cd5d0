//! What the process takes from the machine, where the system tells.

use std::fs;

use tidegate_lab::report::Resources;

/// Processor time of the whole process so far, in seconds, to the nanosecond.
pub(crate) fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9)
    }
    #[cfg(not(unix))]
    None
}

/// What is held at the moment: memory, threads and descriptors, where there is a Linux `/proc`. No processor time.
pub(crate) fn held() -> Resources {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Resources {
        cpu_seconds: None,
        resident_bytes_max: field(&status, "VmRSS:").map(|kib| kib * 1_024),
        threads_max: field(&status, "Threads:"),
        // Less the one that reads the directory.
        descriptors_max: fs::read_dir("/proc/self/fd").ok().map(|open| (open.count() as u64).saturating_sub(1)),
    }
}

/// The larger of two readings of what is held.
pub(crate) fn larger(one: Resources, other: Resources) -> Resources {
    Resources {
        cpu_seconds: None,
        resident_bytes_max: one.resident_bytes_max.max(other.resident_bytes_max),
        threads_max: one.threads_max.max(other.threads_max),
        descriptors_max: one.descriptors_max.max(other.descriptors_max),
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_is_read_by_its_names() {
        let status = "Name:\ttidegate\nVmRSS:\t   12345 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(12_345));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(
            (field(status, "VmHWM:"), field("", "VmRSS:"), field("Threads:\tmany", "Threads:")),
            (None, None, None)
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_something() {
        let before = cpu_seconds().expect("Linux tells");
        let held = held();
        assert!(held.resident_bytes_max > Some(100_000), "{held:?}");
        assert!(held.threads_max >= Some(1) && held.descriptors_max >= Some(3), "{held:?}");
        let mut sum = 0_u64;
        while cpu_seconds().is_some_and(|now| now <= before) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
