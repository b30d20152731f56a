//! CPU time of threads.

use std::collections::BTreeMap;

/// Returns the CPU seconds of this process's threads by name, which the kernel truncates to 15 bytes.
pub fn threads_cpu() -> BTreeMap<String, f64> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|text| text.parse::<f64>().ok());
        *threads.entry(read("comm").trim().to_owned()).or_insert(0.0) += nanos.unwrap_or(0.0) * 1e-9;
    }
    threads
}
