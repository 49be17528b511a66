//! Codes of plans.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("change-refused", "an attribute cannot become what is asked for",
        "The provider can change this attribute in some directions only (a disk can grow but not shrink), and the resource is not replaced for it. \
         Take the old value, or replace the object with `--replace`."),
    entry("dependency-cycle", "instances depend on each other in a circle",
        "What is recorded and what is configured together make a circle, so that none can be changed first. Every step is shown."),
    entry("destroy-prevented", "an object is protected",
        "The plan would delete or replace an object whose lifecycle has `prevent_destroy = true`. Keep it as it is, or apply \
         `prevent_destroy = false` first."),
    entry("duplicate-instance", "an instance is configured twice",
        "Two blocks make an instance of the same address."),
    entry("faulty-plan", "a plan contradicts itself",
        "The checker, which did not make the plan, found it wrong; nothing of it runs. This is a mistake of this program: please report it with the \
         plan."),
    entry("held-foundation", "a wave would replace what other nodes stand on",
        "In a wave of a rollout all other nodes stay as they are, and so must what they stand on. Make a new object beside the old one under another address and \
         let the nodes move to it."),
    entry("import-missing", "there is no object with this id",
        "The provider looked the id up and found nothing. Without the `import` block, an apply makes a new object."),
    entry("import-note", "the provider says something of an imported object",
        "What it would say after it had made the object, it says of one that is imported, too: that nodes are kept apart by directories only, or until when a \
         certificate is valid. Nothing need be done about the import itself."),
    entry("import-recorded", "the object is recorded already",
        "An object has one place in the state. To give it another address, use a `moved` block; to record it anew, take the old record away with `state rm`."),
    entry("move-blocked", "something is in the way of a move",
        "The address that something moves to is taken by another record, which stays there. Nothing is moved; what is not configured any more is deleted by \
         this plan, so look at it before you apply. `state mv` or `state rm` takes the other record out of the way."),
    entry("operation-cycle", "operations wait for each other in a circle",
        "Nothing of the plan can run first. Often `create_before_destroy` of one resource and the lack of it in another are the reason: each step \
         is shown."),
    entry("provider-configuration", "a provider cannot be configured",
        "The arguments of the `provider` block are refused by the provider itself."),
    entry("replace-outside-targets", "an object is to be replaced that the targets leave out",
        "`--target` limits the plan, and `--replace` names something outside of it. Add it to the targets, or drop one of the two."),
    entry("surge-only-one", "a replacement wants what the old object has until it goes",
        "`max_surge` of a rollout makes nodes anew before the old ones go. A fixed address, a port of this machine or a disk belongs to one object at a \
         time, so the new one could only fail. Let each have its own, or leave `max_surge` out."),
    entry("surge-same-name", "a replacement cannot be there before the old object goes",
        "`max_surge` of a rollout makes nodes anew before the old ones go. Where names are unique, the new object needs another one: let it hang on what the \
         object is made from, or leave `max_surge` out."),
    entry("unknown-instance", "`--replace` names nothing that is configured",
        "The address has no instance in the configuration. Addresses are written as `state list` shows them.")
        .example("--replace terraform_data.a", "--replace 'terraform_data.a[\"x\"]'"),
    entry("unknown-lifecycle", "a lifecycle argument is known only after an apply",
        "`prevent_destroy`, `create_before_destroy` and the like decide how the plan is made, so their values must be known when planning."),
    entry("unknown-provider-argument", "the configuration of a provider is known only after an apply",
        "A provider is asked before anything is made, so its arguments must be known when planning. Make what they come from first, with \
         `--target`."),
    entry("unknown-target", "a target names nothing",
        "Neither the configuration nor what is recorded has anything at this address."),
];
