//! Trees that are copied while others change them, and what their digests tell apart.

use super::{copy, edit, fingerprint, summarize};
use crate::error::LocalError;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A directory with an empty `from` and an empty `to`.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in ["from", "to"] {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    place
}

fn copied(place: &TempDir) -> Result<(), LocalError> {
    copy(&place.path().join("from"), &place.path().join("to"), &|_, _| false)
}

fn digest(path: &Path) -> String {
    summarize(path).unwrap().digest
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Does something again and again in a second thread while the other work is done.
fn meanwhile(disturb: impl Fn() + Send + Sync, work: impl FnOnce()) {
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Acquire) {
                disturb();
            }
        });
        // Also when the work fails.
        let _end = End(&done);
        work();
    });
}

#[test]
fn a_copy_has_everything_that_its_original_has() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir_all(from.join("a/b")).unwrap();
    fs::write(from.join("a/b/file"), "content").unwrap();
    fs::hard_link(from.join("a/b/file"), from.join("a/same")).unwrap();
    fs::write(from.join("a/program"), "#!/bin/sh\n").unwrap();
    set_mode(&from.join("a/program"), 0o4755);
    fs::write(from.join(OsStr::from_bytes(b"\xff name\n")), "x").unwrap();
    symlink("/nowhere/at/all", from.join("dangling")).unwrap();
    symlink("a/b", from.join("inside")).unwrap();
    let _socket = UnixListener::bind(from.join("socket")).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    File::open(from.join("a/b/file")).unwrap().set_modified(long_ago).unwrap();
    set_mode(&from.join("a/b"), 0o500);
    File::open(from.join("a/b")).unwrap().set_modified(long_ago).unwrap();
    set_mode(&from, 0o751);
    copied(&place).unwrap();

    assert_eq!(fs::read_to_string(to.join("inside/file")).unwrap(), "content");
    assert_eq!(fs::read_link(to.join("dangling")).unwrap(), Path::new("/nowhere/at/all"));
    assert!(!to.join("socket").exists());
    assert!(to.join(OsStr::from_bytes(b"\xff name\n")).exists());
    for (name, mode) in [("", 0o751), ("a/program", 0o4755), ("a/b", 0o500)] {
        assert_eq!(to.join(name).metadata().unwrap().mode() & 0o7777, mode, "{name}");
    }
    for name in ["a/b", "a/b/file"] {
        assert_eq!(to.join(name).metadata().unwrap().modified().unwrap(), long_ago, "{name}");
    }
    fs::remove_file(from.join("socket")).unwrap();
    assert_eq!(summarize(&from).unwrap(), summarize(&to).unwrap());
    assert_eq!((summarize(&to).unwrap().files, summarize(&to).unwrap().size), (4, 7 + 7 + 10 + 1));
}

#[test]
fn what_is_left_out_is_not_copied() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir_all(from.join("run/inner")).unwrap();
    fs::create_dir_all(from.join("running")).unwrap();
    symlink("/volumes/data", from.join("data")).unwrap();
    let leave_out = |at: &Path, link: Option<&Path>| {
        at == Path::new("run/inner") || link.is_some_and(|link| link.starts_with("/volumes"))
    };
    copy(&from, &to, &leave_out).unwrap();
    assert!(to.join("run").is_dir() && to.join("running").is_dir());
    assert!(!to.join("run/inner").exists() && !to.join("data").is_symlink());
}

#[test]
fn a_digest_tells_apart_all_but_times() {
    let place = place();
    let from = place.path().join("from");
    fs::write(from.join("b"), "1").unwrap();
    fs::write(from.join("a"), "2").unwrap();
    symlink("a", from.join("link")).unwrap();
    fs::create_dir(from.join("folder")).unwrap();
    let first = digest(&from);
    assert!(first.starts_with("sha256:") && first.len() == 7 + 64);
    File::open(from.join("a")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(digest(&from), first);

    let other = |change: &dyn Fn(&Path), back: &dyn Fn(&Path)| {
        change(&from);
        assert_ne!(digest(&from), first);
        back(&from);
        assert_eq!(digest(&from), first);
    };
    let write = |name: &'static str, text: &'static str| {
        move |at: &Path| fs::write(at.join(name), text).unwrap()
    };
    let rename = |one: &'static str, two: &'static str| {
        move |at: &Path| fs::rename(at.join(one), at.join(two)).unwrap()
    };
    let point = |to: &'static str| {
        move |at: &Path| {
            fs::remove_file(at.join("link")).unwrap();
            symlink(to, at.join("link")).unwrap();
        }
    };
    other(&write("a", "3"), &write("a", "2"));
    other(&rename("a", "c"), &rename("c", "a"));
    other(&rename("a", "folder/a"), &rename("folder/a", "a"));
    other(&point("b"), &point("a"));
    other(&|at| set_mode(&at.join("folder"), 0o700), &|at| set_mode(&at.join("folder"), 0o755));
    other(&|at| set_mode(at, 0o700), &|at| set_mode(at, 0o755));
    other(&write("new", ""), &|at| fs::remove_file(at.join("new")).unwrap());
    other(&|at| drop(UnixListener::bind(at.join("socket")).unwrap()), &|at| {
        fs::remove_file(at.join("socket")).unwrap();
    });
}

#[test]
fn a_fingerprint_shows_what_was_written_and_undone() {
    let place = place();
    let from = place.path().join("from");
    fs::write(from.join("a"), "1").unwrap();
    let settled = || {
        let end = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            assert!(std::time::Instant::now() < end, "never settles");
            if let Some(print) = fingerprint(&from).unwrap() {
                return print;
            }
            std::thread::yield_now();
        }
    };
    let before = settled();
    assert_eq!(settled(), before);
    let modified = from.join("a").metadata().unwrap().modified().unwrap();
    fs::write(from.join("a"), "2").unwrap();
    File::open(from.join("a")).unwrap().set_modified(modified).unwrap();
    assert_ne!(settled(), before);
}

#[test]
fn a_file_that_grows_is_copied_as_it_was() {
    let place = place();
    let log = place.path().join("from/log");
    fs::write(&log, "").unwrap();
    let append = || {
        let mut log = OpenOptions::new().append(true).open(&log).unwrap();
        log.write_all(b"one line of many\n").unwrap();
    };
    meanwhile(append, || copied(&place).unwrap());
    let (original, copy) =
        (fs::read(&log).unwrap(), fs::read(place.path().join("to/log")).unwrap());
    assert!(original.starts_with(&copy));
}

#[test]
fn a_file_that_is_replaced_is_one_or_the_other() {
    let place = place();
    let from = place.path().join("from");
    let put = |letter: u8| {
        fs::write(from.join("new"), vec![letter; 1 << 20]).unwrap();
        fs::rename(from.join("new"), from.join("file")).unwrap();
    };
    put(b'a');
    let replace = || {
        put(b'b');
        put(b'a');
    };
    meanwhile(replace, || copied(&place).unwrap());
    let copy = fs::read(place.path().join("to/file")).unwrap();
    assert_eq!(copy.len(), 1 << 20);
    assert!(copy.iter().all(|byte| *byte == copy[0]));
}

#[test]
fn what_vanishes_was_never_there() {
    let place = place();
    let from = place.path().join("from");
    let flicker = || {
        for number in 0..50 {
            fs::create_dir(from.join(format!("d{number}"))).unwrap();
            fs::write(from.join(format!("d{number}/f")), "x").unwrap();
        }
        for number in 0..50 {
            fs::remove_dir_all(from.join(format!("d{number}"))).unwrap();
        }
    };
    let copies = || {
        for _ in 0..20 {
            let to = tempfile::tempdir().unwrap();
            copy(&from, to.path(), &|_, _| false).unwrap();
        }
    };
    meanwhile(flicker, copies);
}

#[test]
fn nobody_leads_the_copy_out_of_the_tree() {
    let place = place();
    let (from, outside) = (place.path().join("from"), place.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    fs::create_dir(from.join("folder")).unwrap();
    symlink(&outside, from.join("link")).unwrap();
    let exchange = || {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let (one, two) = (from.join("folder"), from.join("link"));
        renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE).unwrap();
    };
    let copies = || {
        for _ in 0..200 {
            let to = tempfile::tempdir().unwrap();
            copy(&from, to.path(), &|_, _| false).unwrap();
            for name in ["folder", "link"] {
                let made = to.path().join(name);
                assert!(made.is_symlink() || !made.join("secret").exists());
            }
        }
    };
    meanwhile(exchange, copies);
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let place = place();
    let mut path = place.path().join("from");
    for _ in 0..200 {
        path.push("d");
        fs::create_dir(&path).unwrap();
    }
    let error = copied(&place).unwrap_err();
    assert!(matches!(&error, LocalError::Invalid { .. }), "{error}");
    assert!(error.to_string().contains("deeper than"), "{error}");
}

#[test]
fn a_line_is_changed_in_the_tree_only() {
    let place = place();
    let root = place.path().join("to");
    fs::write(place.path().join("from/hosts"), "one\ntwo\n").unwrap();
    let change = |text: &str| text.replace("one", "1");
    edit(&root, "etc/hosts", change).unwrap();
    symlink(place.path().join("from"), root.join("etc")).unwrap();
    edit(&root, "etc/hosts", change).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("from/hosts")).unwrap(), "one\ntwo\n");
    fs::remove_file(root.join("etc")).unwrap();
    fs::rename(place.path().join("from"), root.join("etc")).unwrap();
    edit(&root, "etc/hosts", change).unwrap();
    assert_eq!(fs::read_to_string(root.join("etc/hosts")).unwrap(), "1\ntwo\n");
}
