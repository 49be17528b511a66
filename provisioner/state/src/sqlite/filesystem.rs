//! Which file systems may hold a state file: SQLite's locks and shared memory do not work over a network.

use crate::error::StateError;
use crate::files;
use nix::sys::statfs::statfs;
use std::path::Path;

/// What is known of a file system's fitness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// On this machine.
    Fit,
    /// Perhaps on another machine (FUSE, a share of a virtual machine): worth a warning.
    Doubtful(&'static str),
    /// On another machine.
    Unfit(&'static str),
}

/// Numbers from statfs(2) and the kernel's `magic.h`.
const KNOWN: [(u32, Fitness); 15] = [
    (0x6969, Fitness::Unfit("NFS")),
    (0x517B, Fitness::Unfit("SMB")),
    (0xFF53_4D42, Fitness::Unfit("CIFS")),
    (0xFE53_4D42, Fitness::Unfit("SMB2")),
    (0x564C, Fitness::Unfit("NCP")),
    (0x5346_414F, Fitness::Unfit("AFS")),
    (0x6B41_4653, Fitness::Unfit("AFS")),
    (0x7375_7245, Fitness::Unfit("Coda")),
    (0x00C3_6400, Fitness::Unfit("Ceph")),
    (0x0BD0_0BD0, Fitness::Unfit("Lustre")),
    (0x1983_0326, Fitness::Unfit("BeeGFS")),
    (0x4750_4653, Fitness::Unfit("GPFS")),
    (0x6573_5546, Fitness::Doubtful("FUSE")),
    (0x0102_1997, Fitness::Doubtful("9P")),
    (0x786F_4256, Fitness::Doubtful("a VirtualBox share")),
];

fn fitness_of(magic: u32) -> Fitness {
    KNOWN.iter().find(|(known, _)| *known == magic).map_or(Fitness::Fit, |(_, fitness)| *fitness)
}

/// Whether a state file may be at `path`, which need not exist yet.
pub fn fitness(path: &Path) -> Fitness {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    // Wider than 32 bits on some machines; the magic numbers are not.
    statfs(existing).map_or(Fitness::Fit, |stat| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        fitness_of(stat.filesystem_type().0 as u32)
    })
}

/// Refuses a file system that would damage the state.
pub fn refuse_unfit(path: &Path) -> Result<(), StateError> {
    match fitness(path) {
        Fitness::Unfit(name) => Err(StateError::Storage {
            path: path.display().to_string(),
            why: format!(
                "it is on a network file system ({name}), where SQLite's locks do not hold"
            ),
            hint: format!("keep {} on a disk of this machine", files::directory_of(path).display()),
        }),
        Fitness::Fit | Fitness::Doubtful(_) => Ok(()),
    }
}

/// A remark for people, if the file system is doubtful.
pub fn warning(path: &Path) -> Option<String> {
    match fitness(path) {
        Fitness::Doubtful(name) => Some(format!(
            "{} is on {name}: if another machine shares it, two runs at the same time could damage the state",
            path.display()
        )),
        Fitness::Fit | Fitness::Unfit(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_apart() {
        assert_eq!(fitness_of(0x6969), Fitness::Unfit("NFS"));
        assert_eq!(fitness_of(0x6573_5546), Fitness::Doubtful("FUSE"));
        assert_eq!(fitness_of(0xEF53), Fitness::Fit, "ext4");
    }

    #[test]
    fn a_file_that_does_not_exist_yet_is_where_its_directory_is() {
        assert!(refuse_unfit(Path::new("/proc/none/of/this")).is_ok());
    }
}
