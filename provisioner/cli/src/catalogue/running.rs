//! Codes of runs: the executor, providers, nodes.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("action-changed", "an operation would do something else than planned",
        "Something that was unknown when planning came out so that another action would be needed (a replacement instead of an update). The operation \
         stops; plan again, the value is known now."),
    entry("aws-argument", "AWS would refuse an argument",
        "The value has the right type but makes no sense, or not together with another: a range of addresses that is no range, a rule with \
         two sources. It is told before anything is asked of AWS.")
        .example("cidr_block = \"10.0.0.5/16\"", "cidr_block = \"10.0.0.0/16\""),
    entry("busy", "other runs keep changing what this one is about",
        "Each time this run was about to begin, another one had changed what its plan was made from. Nothing was changed; run it again when the \
         others are done."),
    entry("foreign-plan", "the plan is of another environment",
        "A saved plan runs only where it was made: same environment, same lineage, and the same account and region of the clouds that it changes."),
    entry("illegal-plan", "a plan cannot be run as it is",
        "An operation of the plan does not fit its own records. Nothing was changed; this is a mistake of this program."),
    entry("incomplete", "not everything was done",
        "Some operations failed, and what needs them was not tried. All others are done and recorded; run `apply` again when the reasons above are \
         mended."),
    entry("interrupted", "interrupted before anything began",
        "You stopped the command before the plan began to run. Nothing was changed."),
    entry("invalid-argument", "a provider refuses an argument",
        "The value has the right type but makes no sense to the provider. What it wants is said with the message."),
    entry("local-argument", "the local cloud refuses an argument",
        "The value has the right type but makes no sense, for instance a network that is no network.")
        .example("cidr = \"10.0.0.0/33\"", "cidr = \"10.0.0.0/24\""),
    entry("no-node", "there is no such node",
        "No node of that name is recorded. `provisioner show` lists those that there are."),
    entry("no-record", "an operation finds no record that it needs",
        "What the plan relies on is not recorded any more. Plan again."),
    entry("no-way-in", "a node cannot be logged in to",
        "The machine is recorded without what a login needs, for instance because its creation was cut off. `apply` brings it in order."),
    entry("node", "a node could not be reached, or refused something",
        "The message is what the connection or the node said."),
    entry("not-searched", "a provider could not be asked for strays",
        "Objects that carry the environment's mark and that the state does not know were not looked for there. The plan is right all the same; it only \
         may not tell of something that was left over."),
    entry("outputs-left", "outputs were not brought up to date",
        "Something that they come from has changed since the plan was made. They follow with the next plan."),
    entry("overtaken", "another run was cut off after this plan was made",
        "Calls of that run whose end is not known have to be looked up first. Nothing was changed; run the command again."),
    entry("panicked", "an operation broke down inside this program",
        "This is a mistake of this program. How the call ended is looked up by the next apply; all others went on."),
    entry("provider", "a provider failed",
        "The message is what the cloud said."),
    entry("provider-conflict", "something else changes the object",
        "The cloud refused because the object is being changed, or is not in a state in which it can be. Run again later."),
    entry("provider-denied", "you may not do this",
        "The credentials are missing or lack a permission."),
    entry("provider-invalid", "the cloud refuses the request",
        "The request makes no sense to the cloud as it is; repeating it does not help."),
    entry("provider-not-found", "something is not there",
        "The cloud does not know an object that the request is about. It may have been deleted by hand: plan again."),
    entry("provider-quota", "a quota is used up",
        "The cloud lets you have no more of this. Ask for a higher quota, or delete what is not needed."),
    entry("provider-throttled", "too many requests",
        "The cloud kept refusing because there were too many requests, longer than was waited. Run again, perhaps with a lower `--parallelism`."),
    entry("provider-transient", "the cloud failed for the moment",
        "The request was repeated as long as that made sense. Run again later."),
    entry("stale-plan", "the state has changed since the plan was made",
        "A saved plan runs only if what it read and writes is as it was. Nothing was changed; make a new plan and review it."),
    entry("unfit-arguments", "arguments do not fit once they are known",
        "What was unknown when planning has a value now that the resource does not take."),
    entry("unfit-attributes", "what a provider reads does not fit its own schema",
        "An object that is imported has an attribute of another type than the provider declares, or one that it leaves unknown. This is a mistake of the \
         provider: please report it."),
    entry("unsettled", "calls of an interrupted run could not be looked up",
        "How they ended is not known, and until it is nothing may be done to their objects. Run `apply` again once what is named is mended."),
];
