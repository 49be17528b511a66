//! Codes of rollouts that are begun, driven and looked at.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("evidence", "evidence cannot be written or read",
        "`rollout evidence export` needs the environment's keys, `rollout evidence verify` a file that it wrote."),
    entry("evidence-unsound", "evidence is not what was signed",
        "The signature does not fit, or a record was changed, left out or put elsewhere since; the first one that does not fit is named."),
    entry("gate-query", "a query of a gate does not read",
        "Whoever answers the query was asked whether it reads, and says that it does not; the byte is one of the query as it is written."),
    entry("no-rollout", "there is no such rollout",
        "`rollout history` lists the rollouts of an environment; only one that is under way can be watched, driven or told something."),
    entry("report", "a report cannot be written",
        "The file that `-o` names cannot be written."),
    entry("rollout-driver", "a rollout cannot be driven on",
        "Nothing is lost: `rollout run` goes on from what is recorded."),
    entry("rollout-entry", "an entry of a rollout does not read",
        "It was written by a newer program, or the state is damaged: `state check` tells."),
    entry("rollout-not-now", "a rollout does not take that now",
        "What people say to a rollout must fit where it is: nothing is promoted before a stage bakes, and what is rolled back is not paused."),
    entry("rollout-not-rolled-back", "some nodes could not be rolled back",
        "They were tried several times. `plan` shows where they differ from the configuration, `rollout history` why."),
    entry("rollout-other-configuration", "a rollout began with another configuration",
        "It is driven with the files and variables that it began with. A newer configuration is applied, and takes its place."),
    entry("rollout-rolled-back", "a rollout was rolled back",
        "A gate failed, too many nodes were down, it came to its deadline, or somebody said `rollout abort`. All its nodes are on the revision that they had before."),
    entry("rollout-saved", "a plan that begins a rollout cannot be saved",
        "A saved plan runs exactly as it is, in one go; a rollout plans each wave when it is due. Apply the environment instead: the rollout's id and its nodes are those that `plan` shows, as long as nothing changed meanwhile."),
    entry("rollout-snapshot", "restore points cannot be made yet",
        "`snapshot_before` asks for a restore point of the nodes' volumes before the first wave."),
    entry("rollout-superseded", "a newer change took a rollout's place",
        "What its nodes go back to is still the last revision that was committed."),
    entry("rollout-targets", "a part of a rollout is none",
        "`--target` and `--replace` would change nodes past their rollout."),
];
