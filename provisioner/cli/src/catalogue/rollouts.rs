//! Codes of rollouts: gates, stages, windows.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("duration", "this is no duration",
        "A duration is written as numbers with their units, from large to small: `d`, `h`, `m`, `s`, `ms`. A number alone does not say of what it is.")
        .example("bake = 15", "bake = \"15m\""),
    entry("gate", "a gate cannot measure what it should",
        "A gate asks one source (`prometheus`, `alertmanager`, `json`, `http`, `command` or `nodes`) for events, a number, or yes or no, and what must hold \
         fits that: `rate` goes with `bad` and `total`, `value` with `value`. Its queries name the nodes that they are about, `$candidate` or `$control`, and count \
         within `$window`; each gives one number, of all nodes together. Where it proceeds and where it rolls back are in order, and what compares with the control group asks for it.")
        .example("gate \"errors\" {\n  prometheus {\n    url   = var.prometheus\n    bad   = \"sum(increase(errors[$window]))\"\n    total = \"sum(increase(requests[$window]))\"\n  }\n}",
            "gate \"errors\" {\n  prometheus {\n    url   = var.prometheus\n    bad   = \"sum(increase(errors{$candidate}[$window]))\"\n    total = \"sum(increase(requests{$candidate}[$window]))\"\n  }\n}"),
    entry("rollout", "a rollout says something that cannot be",
        "An argument of a `rollout` block has a value that makes no sense there, `rollout` of a node set is none, or node sets are `after` each other in a circle. \
         All of a rollout is shown by the plan and recorded with it, so it is known when planning and holds no secrets, but for the address of a webhook and \
         the `headers` of whom a gate asks.")
        .example("node_set \"edge\" {\n  rollout = \"careful\"\n}", "node_set \"edge\" {\n  rollout = rollout.careful\n}"),
    entry("stage", "a stage can never begin, or never end",
        "Stages have different names, each has more nodes than the one before, and the last one has all of them. A stage names gates that there are, each at most once; its bake is long \
         enough for each of them to be measured; it says how long it waits for a verdict, and an approval asks for at least one person. In the last stage \
         there is no control group to compare with.")
        .example("stage \"all\" {\n  nodes    = \"90%\"\n  bake     = \"1h\"\n  deadline = \"2h\"\n}",
            "stage \"all\" {\n  nodes    = \"100%\"\n  bake     = \"1h\"\n  deadline = \"2h\"\n}"),
    entry("window", "a window is at no time",
        "A window is once, between two moments with their offset from UTC, or every week, between two times of day, on some days, in a time zone of the IANA database. \
         Its effect is `allow` or `deny`.")
        .example("window \"freeze\" {\n  effect = \"deny\"\n  from   = \"2026-11-30T00:00:00Z\"\n  until  = \"2026-11-27T00:00:00Z\"\n}",
            "window \"freeze\" {\n  effect = \"deny\"\n  from   = \"2026-11-27T00:00:00Z\"\n  until  = \"2026-11-30T00:00:00Z\"\n}"),
];
