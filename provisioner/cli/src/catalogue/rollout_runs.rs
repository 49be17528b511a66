//! Codes of rollouts that are begun, driven and looked at.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("evidence", "evidence cannot be written or read",
        "`rollout evidence export` needs the environment's keys, `rollout evidence verify` a file that it wrote."),
    entry("evidence-unsound", "evidence is not what was signed, or a verdict in it does not follow",
        "The signature does not fit, or a record was changed, left out or put elsewhere since; the first one that does not fit is named. Or everything is as it was signed, and a verdict is not what the counts and thresholds beside it give by the rules of this version of the program."),
    entry("gate-query", "a query of a gate does not read",
        "Whoever answers the query was asked whether it reads, and says that it does not; the byte is one of the query as it is written."),
    entry("no-rollout", "there is no such rollout",
        "`rollout history` lists the rollouts of an environment; only one that is under way can be watched, driven or told something."),
    entry("report", "a report cannot be written",
        "The file that `-o` names cannot be written."),
    entry("rollout-beyond-plan", "a wave would do what the saved plan does not say",
        "People agreed to the plan that was saved. Something is different now, so that a wave would make, change, delete or replace an object that the plan does not; it is refused, and the rollout goes back."),
    entry("rollout-candidate", "the configuration in a saved plan cannot be used",
        "A plan that begins a rollout holds the configuration that its waves are planned from. It cannot be written (a path that is no text, say), does not read, or leads to something else than when the plan was made: a large file that it reads has changed."),
    entry("rollout-driver", "a rollout cannot be driven on",
        "Nothing is lost: `rollout run` goes on from what is recorded."),
    entry("rollout-entry", "an entry of a rollout does not read",
        "It was written by a newer program, or the state is damaged: `state check` tells."),
    entry("rollout-not-now", "a rollout does not take that now",
        "What people say to a rollout must fit where it is: nothing is promoted before a stage bakes, and what is rolled back is not paused."),
    entry("rollout-not-rolled-back", "some nodes could not be rolled back",
        "They were tried several times. `plan` shows where they differ from the configuration, `rollout history` why."),
    entry("rollout-occupied", "another rollout is under way",
        "A saved plan is bound to what was recorded when it was made, and a rollout that is under way changes that. Only `apply` of the environment takes its place."),
    entry("rollout-other-configuration", "a rollout began with another configuration",
        "It is driven with the files and variables that it began with. A newer configuration is applied, and takes its place."),
    entry("rollout-other-data", "data sources say something else than when a rollout began",
        "All waves of a rollout are of one candidate. Whoever goes on with one that began without a saved plan asks the data sources again, and what they say \
         differs: the nodes that are left would get something that nobody judged. `apply` begins a rollout of what they say now, which takes the place of the \
         old one."),
    entry("rollout-person", "an approval is by nobody",
        "`--as` takes the name of whoever agrees: people are counted by it."),
    entry("rollout-rolled-back", "a rollout was rolled back",
        "A gate failed, too many nodes were down, it came to its deadline, or somebody said `rollout abort`. All its nodes are on the revision that they had before."),
    entry("rollout-snapshot", "restore points cannot be made yet",
        "`snapshot_before` asks for a restore point of the nodes' volumes before the first wave."),
    entry("rollout-spent", "the rollout of a saved plan was begun before",
        "A saved plan begins its rollout once. While it is under way the same command goes on with it; when it is over, a new plan is made."),
    entry("rollout-superseded", "a newer change took a rollout's place",
        "What its nodes go back to is still the last revision that was committed."),
    entry("rollout-targets", "a part of a rollout is none",
        "`--target` and `--replace` would change nodes past their rollout."),
];
