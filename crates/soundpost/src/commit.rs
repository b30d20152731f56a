//! The commit of a working directory, read from git's files: HEAD, its reference and `packed-refs`.
//!
//! See <https://git-scm.com/docs/gitrepository-layout>.

use std::io::Read;
use std::path::{Path, PathBuf};

use soundpost_core::regular_file;

/// Maximum number of parent directories to search.
const ABOVE: usize = 32;
/// Maximum depth of symbolic references.
const HOPS: usize = 5;
/// Maximum length read of a small file, bytes.
const SMALL: u64 = 4096;
/// Maximum length read of `packed-refs`, bytes.
const PACKED: u64 = 4 << 20;

/// Returns the hexadecimal name of the commit that is checked out in `directory`, if it can be read.
pub(crate) fn of_directory(directory: &Path) -> Option<String> {
    let git = directory.ancestors().take(ABOVE).find_map(git_directory)?;
    // A worktree has its own HEAD, and its references are in its repository.
    let common = small(&git.join("commondir")).map_or_else(|| git.clone(), |path| git.join(path));
    let mut head = small(&git.join("HEAD"))?;
    for _ in 0..HOPS {
        let Some(name) = head.strip_prefix("ref:").map(str::trim) else {
            return is_commit(&head).then_some(head);
        };
        if !name.starts_with("refs/") || name.split('/').any(|part| part == "..") {
            return None;
        }
        head = [&git, &common]
            .into_iter()
            .find_map(|directory| small(&directory.join(name)))
            .or_else(|| packed(&common, name))?;
    }
    None
}

/// Returns the directory of git's files, which `.git` is or points to.
fn git_directory(directory: &Path) -> Option<PathBuf> {
    let git = directory.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = small(&git)?;
    Some(directory.join(text.strip_prefix("gitdir:")?.trim()))
}

/// Returns the commit of a reference in `packed-refs`.
fn packed(common: &Path, name: &str) -> Option<String> {
    let text = read(&common.join("packed-refs"), PACKED)?;
    let of_name = |line: &str| {
        let (commit, reference) = line.split_once(' ')?;
        (reference == name && is_commit(commit)).then(|| commit.to_owned())
    };
    text.lines().find_map(of_name)
}

/// Returns a text if it is a hexadecimal SHA-1 or SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the trimmed text of a small file.
fn small(path: &Path) -> Option<String> {
    read(path, SMALL).map(|text| text.trim().to_owned())
}

/// Returns the start of a regular file.
fn read(path: &Path, most: u64) -> Option<String> {
    let mut text = String::new();
    regular_file::open(path).ok()?.0.take(most).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba98";

    /// Creates a repository with these files in `.git`.
    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(".git").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    fn of(files: &[(&str, &str)]) -> Option<String> {
        of_directory(repository(files).path())
    }

    #[test]
    fn commit_is_found_in_each_file_of_git() {
        let line = |commit: &str| format!("{commit}\n");
        let head = ("HEAD", "ref: refs/heads/main\n");
        assert_eq!(of(&[("HEAD", &line(COMMIT))]).as_deref(), Some(COMMIT));
        assert_eq!(of(&[head, ("refs/heads/main", &line(COMMIT))]).as_deref(), Some(COMMIT));
        let packed = format!(
            "# pack-refs with: peeled\n{OTHER} refs/heads/maintenance\n{COMMIT} refs/heads/main\n^{OTHER}\n"
        );
        assert_eq!(of(&[head, ("packed-refs", &packed)]).as_deref(), Some(COMMIT));
        let loose = [head, ("packed-refs", &packed), ("refs/heads/main", &line(OTHER))];
        assert_eq!(of(&loose).as_deref(), Some(OTHER), "a loose reference is newer");
    }

    #[test]
    fn commit_is_found_in_parents_and_worktrees() {
        let main = repository(&[
            ("HEAD", COMMIT),
            ("worktrees/w/HEAD", "ref: refs/heads/topic"),
            ("worktrees/w/commondir", "../.."),
            ("refs/heads/topic", OTHER),
        ]);
        let below = main.path().join("src/deep");
        fs::create_dir_all(&below).unwrap();
        assert_eq!(of_directory(&below).as_deref(), Some(COMMIT));
        let worktree = tempfile::tempdir().unwrap();
        let target = main.path().join(".git/worktrees/w");
        fs::write(worktree.path().join(".git"), format!("gitdir: {}\n", target.display())).unwrap();
        assert_eq!(of_directory(worktree.path()).as_deref(), Some(OTHER));
    }

    #[test]
    fn invalid_repository_has_no_commit() {
        for files in [
            &[][..],
            &[("HEAD", "")],
            &[("HEAD", "0123456")],
            &[("HEAD", "ref: refs/heads/new")],
            &[("HEAD", "ref: refs/../../secret"), ("secret", COMMIT)],
            &[("HEAD", "ref: refs/heads/a"), ("refs/heads/a", "ref: refs/heads/a")],
            &[("HEAD", "\u{0}\u{1}")],
        ] {
            assert_eq!(of(files), None, "{files:?}");
        }
    }
}
