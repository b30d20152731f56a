//! The directories of this process's cgroups, from its own up to the mount.
//!
//! `/proc/self/cgroup` contains the group of each hierarchy; `/proc/self/mountinfo` contains the mounts, and
//! the mounted part of each hierarchy. In a container without a cgroup namespace the first is a path of the
//! host and the second shows a part; with one, both begin at the container's group. A group outside of the
//! mounted part is treated as the mount itself (cgroups(7), proc_pid_mountinfo(5)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::host::file::read_once;
use crate::host::parse::lines;

/// Maximum depth of groups; each costs a read per sample.
const DEPTH: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::host) enum Version {
    V1,
    V2,
}

/// Groups of one controller for this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct Hierarchy {
    pub(in crate::host) version: Version,
    pub(in crate::host) mount: PathBuf,
    /// Groups as paths below the mount, the process's own first, the mount itself (empty) last.
    pub(in crate::host) levels: Vec<PathBuf>,
}

impl Hierarchy {
    pub(in crate::host) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.levels.iter().map(|level| self.mount.join(level))
    }
}

/// Contents of `/proc/self/cgroup` and `/proc/self/mountinfo`.
#[derive(Debug, Default)]
pub(in crate::host) struct Hierarchies {
    root: PathBuf,
    members: Vec<u8>,
    mounts: Vec<u8>,
}

impl Hierarchies {
    pub(in crate::host) fn read(root: &Path) -> Self {
        let members = read_once(&root.join("proc/self/cgroup"));
        let mounts = read_once(&root.join("proc/self/mountinfo"));
        Self { root: root.to_path_buf(), members, mounts }
    }

    /// Returns the groups of a controller: in its own v1 hierarchy if it has one, else in the v2 hierarchy.
    pub(in crate::host) fn of(&self, controller: &str) -> Option<Hierarchy> {
        let controller = controller.as_bytes();
        self.version(Version::V1, controller).or_else(|| self.version(Version::V2, controller))
    }

    /// Returns the directory of this process's group in the v2 hierarchy, which reports pressure also where all
    /// controllers are in v1 hierarchies.
    pub(in crate::host) fn unified(&self) -> Option<PathBuf> {
        self.version(Version::V2, b"")?.directories().next()
    }

    fn version(&self, version: Version, controller: &[u8]) -> Option<Hierarchy> {
        let member = lines(&self.members).find_map(|line| member(line, version, controller))?;
        let mounts = || lines(&self.mounts).filter_map(|line| Mount::parse(line, version, controller));
        // The hierarchy may be mounted several times, and the mount with the longest path below it shows most groups.
        let shown = mounts().filter_map(|mount| {
            let below = member.strip_prefix(&mount.root).ok()?;
            let point = self.below_root(&mount.point);
            let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
            (plain && point.join(below).is_dir()).then_some((point, below))
        });
        let shown =
            shown.reduce(|a, b| if b.1.components().count() > a.1.components().count() { b } else { a });
        let (mount, below) = match shown {
            Some(shown) => shown,
            None => (self.below_root(&self.mount_of(version, controller, member)?), Path::new("")),
        };
        let levels = below.ancestors().take(DEPTH).map(Path::to_path_buf).collect();
        Some(Hierarchy { version, mount, levels })
    }

    /// Returns the mount whose root is above a group that it does not show, or any mount of the hierarchy.
    fn mount_of(&self, version: Version, controller: &[u8], member: &Path) -> Option<PathBuf> {
        let mounts = || lines(&self.mounts).filter_map(|line| Mount::parse(line, version, controller));
        let above = mounts().find(|mount| member.starts_with(&mount.root));
        above.or_else(|| mounts().next()).map(|mount| mount.point)
    }

    fn below_root(&self, path: &Path) -> PathBuf {
        let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
        self.root.join(parts.collect::<PathBuf>())
    }
}

/// Returns the group of a line `hierarchy:controllers:path`, if it is of this controller.
fn member<'line>(line: &'line [u8], version: Version, controller: &[u8]) -> Option<&'line Path> {
    let mut parts = line.splitn(3, |&byte| byte == b':');
    let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = match version {
        Version::V1 => has(controllers, controller),
        Version::V2 => id == b"0" && controllers.is_empty(),
    };
    ours.then(|| Path::new(OsStr::from_bytes(path)))
}

struct Mount {
    /// Mounted part of the hierarchy.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Parses `id parent device root point options [optional]... - type source options`.
    fn parse(line: &[u8], version: Version, controller: &[u8]) -> Option<Self> {
        let mut words = line.split(|&byte| byte == b' ').skip(3);
        let (root, point) = (words.next()?, words.next()?);
        let mut words = words.skip_while(|&word| word != b"-").skip(1);
        let (kind, _source, options) = (words.next()?, words.next()?, words.next()?);
        let ours = match version {
            Version::V1 => kind == b"cgroup" && has(options, controller),
            Version::V2 => kind == b"cgroup2",
        };
        ours.then(|| Self { root: unescape(root), point: unescape(point) })
    }
}

fn has(list: &[u8], name: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|item| item == name)
}

/// Decodes the kernel's escapes, such as `\040` for a space.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
            u8::from_str_radix(text, 8).ok()
        });
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(members: &str, mounts: &str, controller: &str) -> Option<Hierarchy> {
        let root = PathBuf::from("/nowhere");
        Hierarchies { root, members: members.into(), mounts: mounts.into() }.of(controller)
    }

    #[test]
    fn prefers_the_hierarchy_that_the_controller_is_in() {
        let members = "4:memory:/a\n3:cpu,cpuacct:/\n0::/b\n";
        let mounts = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n";
        let memory = of(members, mounts, "memory").unwrap();
        assert_eq!((memory.version, memory.mount), (Version::V1, "/nowhere/sys/fs/cgroup/memory".into()));
        assert_eq!(of(members, mounts, "cpu").unwrap().version, Version::V2);
        assert_eq!(of("", mounts, "cpu"), None);
        assert_eq!(of(members, "", "cpu"), None);
    }

    #[test]
    fn undoes_the_escapes_of_mountinfo() {
        assert_eq!(unescape(br"/a\040b\134\011"), Path::new("/a b\\\t"));
        assert_eq!(unescape(br"/a\04"), Path::new(r"/a\04"));
        assert_eq!(unescape(br"/a\999"), Path::new(r"/a\999"));
    }

    proptest! {
        #[test]
        fn never_leaves_the_root(members in "[0-9a:/.,\n]{0,60}", point in "[a/.\\\\0-9]{0,20}", root in "[a/.]{0,9}") {
            let mounts = format!("1 2 3 {root} {point} rw - cgroup2 c rw\n");
            for members in [members, format!("0::/{root}/{point}\n")] {
                if let Some(found) = of(&members, &mounts, "cpu") {
                    for directory in found.directories() {
                        prop_assert!(directory.starts_with("/nowhere"));
                        prop_assert!(!directory.components().any(|part| part == Component::ParentDir));
                    }
                }
            }
        }
    }
}
