//! Directories without record locks, by a seccomp filter whose supervisor answers for the kernel.

use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::mpsc;

use nix::libc;

/// Commands of `fcntl` for record locks.
const LOCKS: [i32; 6] =
    [libc::F_GETLK, libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_GETLK, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];

/// Lets record locks of files below these directories fail with their error numbers, for this thread and those that it
/// starts; once in a process. Returns whether the kernel permits it.
pub fn remove_record_locks(directories: Vec<(PathBuf, i32)>) -> bool {
    // The supervisor is started first, so that the filter does not apply to it.
    let (send, receive) = mpsc::channel::<OwnedFd>();
    std::thread::spawn(move || receive.into_iter().for_each(|listener| supervise(&listener, &directories)));
    install().is_some_and(|listener| send.send(listener).is_ok())
}

fn install() -> Option<OwnedFd> {
    let statement = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_fcntl as u32, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the program outlives the call.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, mode, flags, &program)
    };
    // SAFETY: the kernel just made this descriptor.
    (listener >= 0).then(|| unsafe { OwnedFd::from_raw_fd(listener as RawFd) })
}

fn supervise(listener: &OwnedFd, directories: &[(PathBuf, i32)]) {
    loop {
        // SAFETY: plain data that the kernel fills, and wants zeroed.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one notification.
        if unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &mut call) } != 0 {
            continue;
        }
        let file = fs::read_link(format!("/proc/self/fd/{}", call.data.args[0])).unwrap_or_default();
        let is_lock = LOCKS.contains(&(call.data.args[1] as i32));
        let place = directories.iter().find(|(directory, _)| is_lock && file.starts_with(directory));
        let (error, flags) = match place {
            Some((_, errno)) => (-errno, 0),
            None => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        };
        let mut answer = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags };
        // SAFETY: the kernel reads one answer.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &mut answer) };
    }
}
