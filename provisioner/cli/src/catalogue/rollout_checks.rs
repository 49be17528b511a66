//! Codes of what is found in a rollout's rules and nodes before it begins.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("rollout-consecutive", "so many measurements in a row do not fit",
        "A gate that decides by measurements in a row needs so many intervals. More than fit into bake and deadline can never be had; more than fit into the \
         bake hold the stage."),
    entry("rollout-max-unavailable", "no node could ever be changed",
        "A node that is changed in place is down meanwhile. `max_unavailable` must allow one in every domain; nodes that are replaced do without if `max_surge` \
         allows one more."),
    entry("rollout-no-control", "there is no control group to compare with",
        "In a stage that holds all nodes, or all of the domains that it touches, no node is left on the stable revision. Compare in earlier stages only, or raise \
         `holdback`."),
    entry("rollout-no-gates", "a stage has no gate",
        "Only nodes that refuse their change or die stop it."),
    entry("rollout-node-twice", "a node is in a rollout twice",
        "Nodes of all node sets of a rollout have different names."),
    entry("rollout-rules", "rules let nodes go on unjudged",
        "What is written in a configuration is told where it stands. A saved plan may hold rules of another version of the program: without a stage, with a last stage \
         that is not all nodes, an approval by nobody, or bounds that hold whatever is measured. Make a new plan."),
    entry("rollout-sample", "a gate cannot see enough events",
        "With the load that the error budget states, the nodes of the stage serve fewer events than `min_sample` in the bake. If the deadline does not make up for it \
         either, the stage can never be promoted."),
    entry("rollout-shared", "something that many nodes stand on changes with the first of them",
        "A network, a key or a security group that belongs to no node has no stages: the first wave that needs it changes it for all nodes. In place, that is a \
         warning. Replaced, it would go away below nodes that have not had their turn, so that is refused: make a new one beside it under another address, \
         let the node set use that, and take the old one out; it is deleted when the rollout is over."),
    entry("rollout-stage-adds-nothing", "a stage adds no node",
        "Percentages round up, so with few nodes two stages can be the same ones. The later one stays, and what the earlier one asks of people is still asked."),
    entry("rollout-threshold", "thresholds cannot hold",
        "A gate that proceeds above one number and below another needs room between them."),
    entry("rollout-unseen", "the metrics of new machines may not be collected yet",
        "What lists nodes, as the Prometheus of `modules/monitoring` does, follows them after each wave, if the configuration changes nothing of it but what follows from \
         the nodes. This one changes in more, which waits for the end of the rollout, or with its own nodes, which have a rollout, too. Until then nobody collects the metrics of machines that the rollout makes, for new nodes or instead of others: \
         a gate that asks for them has no data, and a stage without data is never promoted. Change the rest of it alone, before the nodes, give the nodes that watch no `rollout`, or judge them by `nodes` or `http` gates."),
    entry("rollout-window-never", "no stage may ever begin",
        "Deny wins, and with a window that allows, nothing outside of it is allowed. For a year there is no moment at which these windows let a stage begin."),
];
