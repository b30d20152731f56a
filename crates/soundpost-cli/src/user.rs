//! The user of a service. Root reads a service's files as their owner: nothing of that user's is read, mapped or written
//! with the rights of root, and no file gets another owner.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{
    Gid, Uid, User, getegid, geteuid, getuid, setegid, seteuid, setgroups, setresgid, setresuid,
};
use soundpost::read::Service;

use crate::error::CommandError;
use crate::output::plain;

/// Advice for files of another user.
pub(crate) const ADVICE: &str = "run this command as root, or as that user";
pub(crate) const ROOT: u32 = 0;

/// Reports whether root runs this program.
pub(crate) fn is_root() -> bool {
    getuid().is_root()
}

/// Takes the rights of a user, if root runs this program.
///
/// # Errors
/// When the kernel refuses it, such as in a container without the right to change users.
pub(crate) fn assume(uid: u32) -> Result<(), CommandError> {
    if !is_root() || geteuid().as_raw() == uid {
        return Ok(());
    }
    let gid = User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or(Gid::from_raw(uid), |user| user.gid);
    let assumed = seteuid(Uid::from_raw(ROOT))
        .and_then(|()| setgroups(&[gid]))
        .and_then(|()| setegid(gid))
        .and_then(|()| seteuid(Uid::from_raw(uid)));
    let failed = |error| {
        CommandError::Failed(format!(
            "the files belong to {}, whose rights root cannot take: {error}",
            describe(uid)
        ))
    };
    assumed.map_err(failed)
}

/// Takes the rights of a service's owner, if root runs this program.
///
/// # Errors
/// As [`assume`].
pub(crate) fn assume_owner(directory: &Path, service: &str) -> Result<(), CommandError> {
    assume(ROOT)?;
    Service::owner(directory, service).map_or(Ok(()), assume)
}

/// Takes the rights of the owner of a directory, if root runs this program.
///
/// # Errors
/// As [`assume`].
pub(crate) fn assume_owner_of(directory: &Path) -> Result<(), CommandError> {
    directory.metadata().map_or(Ok(()), |found| assume(found.uid()))
}

/// Gives up the rights of root for good, after [`assume`].
///
/// # Errors
/// When the kernel refuses it.
pub(crate) fn keep() -> Result<(), CommandError> {
    let (uid, gid) = (geteuid(), getegid());
    let kept = setresgid(gid, gid, gid).and_then(|()| setresuid(uid, uid, uid));
    kept.map_err(|error| CommandError::failed("cannot give up the rights of root", &error))
}

/// Returns the name and the number of a user.
pub(crate) fn describe(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("user {} (uid {uid})", user.name),
        _ => format!("the user with uid {uid}"),
    }
}

/// Returns notes about the services below `directory`, and of these users, which this user cannot read.
pub(crate) fn closed(directory: &Path, users: impl Iterator<Item = u32>) -> Vec<String> {
    let is_closed = directory.read_dir().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let owner = directory.ancestors().find_map(|path| path.symlink_metadata().ok()).filter(|_| is_closed);
    let directory_note = owner.map(|owner| (directory.display().to_string(), owner.uid()));
    let services = Service::closed(directory)
        .into_iter()
        .map(|(name, owner)| (format!("service {}", plain(&name)), owner));
    let users = users.map(|user| ("a service in /dev/shm".to_owned(), user));
    let notes = services.chain(directory_note).chain(users);
    notes.map(|(what, owner)| format!("{what} belongs to {} and cannot be read", describe(owner))).collect()
}
