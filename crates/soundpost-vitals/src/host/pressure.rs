//! Time that tasks waited for CPU, memory or disks (PSI, `Documentation/accounting/psi.rst`).

use std::path::Path;

use crate::host::cgroup::Hierarchies;
use crate::host::file::{Buffer, Watched};
use crate::host::parse::{lines, number, words};
use crate::host::quantity::{PRESSURE_STALLED, PRESSURE_WAITING};
use crate::reading::{Quantity, Readings};

const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];
/// The kernel reports microseconds.
const PER_SECOND: f64 = 1e6;
/// Maximum of a total, seconds: a thousand years.
const LONGEST: f64 = 3.2e10;

/// The file of each resource: that of the own v2 cgroup, or of the host.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    files: Vec<(&'static str, Watched)>,
}

impl Pressure {
    pub(super) fn find(root: &Path, hierarchies: &Hierarchies) -> Self {
        let group = hierarchies.unified();
        let files = RESOURCES.into_iter().filter_map(|resource| {
            let of_group = group.iter().map(|group| group.join(format!("{resource}.pressure")));
            let mut files = of_group.chain([root.join("proc/pressure").join(resource)]);
            Some((resource, files.find_map(|file| Watched::new(file).opened())?))
        });
        Self { files: files.collect() }
    }

    pub(super) fn sample(&mut self, readings: &mut Readings, buffer: &mut Buffer) {
        for (resource, file) in &mut self.files {
            let Some(text) = file.read(buffer) else { continue };
            let mut put = |quantity: &'static Quantity, kind: &str| {
                let value = total(text, kind.as_bytes()).map(|micros| micros as f64 / PER_SECOND);
                readings.push_within(quantity, &[resource], value, &(0.0..=LONGEST));
            };
            put(&PRESSURE_WAITING, "some");
            // All tasks cannot wait for a CPU at once: the host's value is always 0.
            if *resource != "cpu" {
                put(&PRESSURE_STALLED, "full");
            }
        }
    }
}

/// Returns the total of a line such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`.
fn total(text: &[u8], kind: &[u8]) -> Option<u64> {
    let mut words = lines(text).map(words).find_map(|mut words| (words.next()? == kind).then_some(words))?;
    number(words.find_map(|word| word.strip_prefix(b"total="))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_whole_lines_only() {
        let text = b"some avg10=0.00 avg60=1.25 avg300=0.26 total=217067325\nfull avg10=0.00 total=63";
        assert_eq!(total(text, b"some"), Some(217_067_325));
        assert_eq!(total(text, b"full"), None);
        assert_eq!(total(b"some total=x\n", b"some"), None);
        assert_eq!(total(b"some\n", b"some"), None);
        assert_eq!(total(b"", b"some"), None);
    }
}
