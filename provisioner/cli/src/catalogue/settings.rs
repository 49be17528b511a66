//! Codes of the `environment` block: where an environment is recorded, and how its secrets are kept.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("environment-name", "an environment has the name of a catalogue",
        "The restore points of environment `NAME` are recorded as `NAME.restore-points`, beside it. No environment can be called so: its plans would delete them."),
    entry("settings-encryption", "`encryption` is neither \"sealed\" nor \"none\"",
        "Secrets are sealed unless `encryption = \"none\"` says otherwise."),
    entry("settings-lease", "`lease_s` is too short or too long",
        "It says for how many seconds a run may be silent before others take it for dead."),
    entry("settings-recipient", "this is no recipient",
        "`recipients` is a list of age recipients (`age1...`), each of whom can open the environment's keys."),
    entry("settings-reference", "settings come from something that has to be recorded first",
        "Where an environment is recorded must be known before anything is read, so the blocks `state` and `secrets` use variables, local values and \
         functions, but nothing that a resource, a module or a node set gives."),
    entry("settings-type", "a setting is not of the type that it should be",
        "The label says what is wanted."),
    entry("settings-unknown", "a backend has no such setting",
        "Each backend takes its own arguments; those that there are are listed."),
    entry("settings-url", "the place of a backend cannot be read",
        "`url` names where an environment is recorded: `postgres://...`, `s3://...`, `gs://...`, `az://...`."),
    entry("unknown-backend", "there is no such backend",
        "An environment is recorded in a file (`sqlite`), in a database (`postgres`), or in a bucket (`s3`, `gcs`, `azure`).")
        .example("state {\n  backend = \"postgers\"\n}", "state {\n  backend = \"postgres\"\n  url     = \"postgres://db.example/fleet\"\n}"),
];
