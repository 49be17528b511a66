//! Codes of restore points.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("no-restore-point", "there is no such restore point",
        "`backup list` shows the restore points of an environment; `backup create` makes one."),
    entry("nothing-to-capture", "there is nothing to capture",
        "Only what holds data is captured: machines and volumes of providers that say how. Nothing recorded, or nothing that `--target` means, is of such a type."),
    entry("nothing-to-restore", "there is nothing to restore",
        "The restore point has no snapshot of what `--target` means, or of no type whose objects can begin with a snapshot by themselves (a machine on AWS is made as configured)."),
    entry("restore-elsewhere", "a snapshot is in another place than what is to begin with it",
        "A snapshot can be used in its region and account, or in its directory of the local cloud. The provider of the environment is another one by now: its configuration has changed, or the environment was made anew."),
    entry("restore-point-bound", "a restore point must not go",
        "It is locked, or the rollout that it was made for is under way and may still need it."),
    entry("restore-point-changed", "a restore point is not as it was shown",
        "Another run finished it, deleted it or went on with it while the command asked or waited. Nothing was done."),
    entry("restore-point-damaged", "a restore point is not what it was",
        "A snapshot is gone or is not what it was when it was made, or what the catalogue has of it does not read or has another digest. `backup verify` says which; the others are not touched by it."),
    entry("restore-point-exists", "a restore point of that name is there already",
        "Names are unique in an environment. Only one that was begun and cut off is gone on with under its name."),
    entry("restore-point-name", "a name is none for a restore point",
        "Names have 1 to 40 small letters, digits and `-`, and begin with a letter or digit: snapshots are named after them."),
    entry("restore-point-newer", "a restore point was made by a newer program",
        "Its format is newer than this program knows. The others are not touched by it."),
    entry("restore-point-uncapturable", "an object cannot be captured",
        "Its provider is not part of this program, or does not know how to capture it any more."),
    entry("restore-point-unfinished", "a restore point was never finished",
        "Its making was cut off, so not all of its snapshots are there and it is of no use yet. Who asked for it goes on with it: the rollout, or `backup create --name` with its name and the same `--target`."),
    entry("restore-point-unknown", "snapshots could not be looked at",
        "The cloud could not be asked, or this program does not know what they are: nothing is known to be wrong with them."),
];
