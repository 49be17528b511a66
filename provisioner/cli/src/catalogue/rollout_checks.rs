//! Codes of what is found in a rollout's rules and nodes before it begins.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("rollout-apart", "a node is to be kept apart from itself",
        "`apart` names pairs of different nodes that are never changed together."),
    entry("rollout-approval", "an approval means nothing",
        "An approval asks for at least one person and counts for some time."),
    entry("rollout-bake", "a stage bakes for too short a time to measure its gate",
        "The bake must be at least as long as the time between two measurements of each of the stage's gates."),
    entry("rollout-command", "a gate has no command to run",
        "A `command` gate names a program and its arguments."),
    entry("rollout-consecutive", "so many measurements in a row do not fit",
        "A gate that decides by measurements in a row needs so many intervals. More than fit into bake and deadline can never be had; more than fit into the \
         bake hold the stage."),
    entry("rollout-deadline", "a stage is held for no time",
        "What is inconclusive at the end of the bake is held until the deadline, then rolled back. With a deadline of 0 there would be no time for a verdict."),
    entry("rollout-error-budget", "an error budget says nothing",
        "It needs the share of requests that may fail, between 0 and 1, over how long, and how many requests a second a node serves."),
    entry("rollout-gate-kind", "a gate's check does not fit what it asks for",
        "A rate needs counts of bad and of all events, a value needs a query for a number, a yes needs a source that says yes or no; what compares with the \
         control group must ask for the control group, and what has a least load must ask for the load."),
    entry("rollout-gate-twice", "a stage names a gate twice",
        "A stage judges by each gate once. Two limits on one metric are two gates."),
    entry("rollout-interval", "an interval is 0",
        "Measurements have a time between them, a time limit, and an age at which a sample is too old."),
    entry("rollout-last-stage", "the last stage does not hold all nodes",
        "A rollout ends with all nodes on the candidate. The last stage says `nodes = \"100%\"`."),
    entry("rollout-matchers", "a gate matches every alert",
        "Any alert that fires anywhere would stop the rollout. Name the label matchers that count."),
    entry("rollout-max-parallel", "no node would ever be changed",
        "`max_parallel` is how many nodes are changed together: at least 1."),
    entry("rollout-max-unavailable", "no node could ever be changed",
        "A node that is changed in place is down meanwhile. `max_unavailable` must allow one in every domain; nodes that are replaced do without if `max_surge` \
         allows one more."),
    entry("rollout-no-candidate", "a query does not ask for the candidate",
        "Without `$candidate` (or `$stage`) a gate sees all nodes alike, and a few bad ones drown among the good. The control group's queries name `$control`."),
    entry("rollout-no-control", "there is no control group to compare with",
        "In a stage that holds all nodes, or all of the domains that it touches, no node is left on the stable revision. Compare in earlier stages only, or raise \
         `holdback`."),
    entry("rollout-no-gates", "a stage has no gate",
        "Only nodes that refuse their change or die stop it."),
    entry("rollout-no-stages", "a rollout has no stage",
        "At least one stage says how many nodes are on the candidate, and for how long they are watched."),
    entry("rollout-no-window", "a query counts over no `$window`",
        "Counts are of the time since the last measurement, which `$window` stands for. Over any other time events are counted twice or left out."),
    entry("rollout-node-twice", "a node is in a rollout twice",
        "Nodes of all node sets of a rollout have different names."),
    entry("rollout-percent", "a number of nodes is none",
        "A percentage is above 0 and at most 100, a count at least 1. `max_unavailable` and `max_surge` may be 0."),
    entry("rollout-sample", "a gate cannot see enough events",
        "With the load that the error budget states, the nodes of the stage serve fewer events than `min_sample` in the bake. If the deadline does not make up for it \
         either, the stage can never be promoted."),
    entry("rollout-shared", "something that many nodes stand on changes with the first of them",
        "A network, a key or a security group that belongs to no node has no stages: the first wave that needs it changes it for all nodes. In place, that is a \
         warning. Replaced, it would go away below nodes that have not had their turn, so that is refused: make a new one beside it under another address, \
         let the node set use that, and take the old one out; it is deleted when the rollout is over."),
    entry("rollout-stage-adds-nothing", "a stage adds no node",
        "Percentages round up, so with few nodes two stages can be the same ones. The later one stays, and what the earlier one asks of people is still asked."),
    entry("rollout-stage-order", "a stage holds fewer nodes than the one before it",
        "The nodes of a stage are among those of the next."),
    entry("rollout-stage-twice", "two stages have one name",
        "Entries, views and commands name stages."),
    entry("rollout-threshold", "thresholds cannot hold",
        "A gate proceeds within its bounds, rolls back beyond bounds that are further out, and is inconclusive in between. Shares lie between 0 and 1, the confidence \
         from 0.5 to below 1, and a rate has a least sample."),
    entry("rollout-unknown-gate", "a stage names a gate that there is not",
        "The gates of a rollout are declared beside its stages."),
    entry("rollout-unseen", "the metrics of new machines may not be collected yet",
        "What lists nodes, as the Prometheus of `modules/monitoring` does, follows them after each wave, if the configuration changes nothing of it but what follows from \
         the nodes. This one changes in more, which waits for the end of the rollout. Until then nobody collects the metrics of machines that the rollout makes, for new nodes or instead of others: \
         a gate that asks for them has no data, and a stage without data is never promoted. Change the rest of it alone, before the nodes, or judge them by `nodes` or `http` gates."),
    entry("rollout-window", "a window is at no time",
        "A window ends after it begins, its days are days of the week, its hours lie within a day, and its time zone has a name of the IANA database."),
    entry("rollout-window-never", "no stage may ever begin",
        "Deny wins, and with a window that allows, nothing outside of it is allowed. For a year there is no moment at which these windows let a stage begin."),
];
