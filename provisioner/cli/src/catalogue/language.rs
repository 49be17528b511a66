//! Codes of what files say: syntax, blocks, names, modules.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("count-and-for-each", "a block is repeated in two ways",
        "A resource or a module is repeated either `count` times, with numbers as keys, or once for each entry of `for_each`, with \
         names as keys. With both it would not be clear how many instances there are.")
        .example("resource \"terraform_data\" \"a\" {\n  count    = 2\n  for_each = toset([\"x\", \"y\"])\n}",
            "resource \"terraform_data\" \"a\" {\n  for_each = toset([\"x\", \"y\"])\n}"),
    entry("depends-on", "`depends_on` holds something else than references",
        "`depends_on` is a list of references to resources, modules or node sets, written without quotes. A text, a call or a \
         calculation names nothing that could be waited for.")
        .example("depends_on = [\"terraform_data.a\"]", "depends_on = [terraform_data.a]"),
    entry("directory-missing", "a directory cannot be read",
        "The directory of the configuration does not exist or may not be read by you."),
    entry("duplicate-argument", "an argument is given twice",
        "In a block each argument stands once. Of two values one would be lost without a word.")
        .example("resource \"terraform_data\" \"a\" {\n  input = 1\n  input = 2\n}", "resource \"terraform_data\" \"a\" {\n  input = 2\n}"),
    entry("duplicate-block", "something is declared twice",
        "Names are unique in a module: of two variables, local values, outputs, modules, or resources of one type with the same name it \
         would not be clear which one is meant. The same holds for a block that may stand only once, and for an argument that is \
         given both as an argument and as a block. Both places are shown; rename or remove one.")
        .example("variable \"size\" {}\nvariable \"size\" {}", "variable \"size\" {}"),
    entry("duplicate-import", "two objects are imported as one instance",
        "An instance has one object. Of two `import` blocks, or two keys of one, that name the same address only one can be true."),
    entry("duplicate-key", "a key is given twice",
        "In an object each key stands once. The last value counts, and the others are lost.")
        .example("tags = {\n  team = \"a\"\n  team = \"b\"\n}", "tags = {\n  team = \"b\"\n}"),
    entry("empty-directory", "a directory holds no configuration",
        "An environment and a module are directories with `*.hcl` files. This one has none, so there is nothing to do; to delete \
         everything that is recorded, use `provisioner destroy`."),
    entry("file", "a file cannot be read",
        "A configuration file exists but cannot be read, or is not UTF-8 text."),
    entry("ignore-changes", "`ignore_changes` is no list of argument names",
        "`ignore_changes` names arguments of its own resource, without quotes and without values.")
        .example("lifecycle {\n  ignore_changes = \"input\"\n}", "lifecycle {\n  ignore_changes = [input]\n}"),
    entry("import-id", "the id of an import is no text that is known",
        "`id` says which object is meant, as the provider names it. It must be known when planning, and it is shown, so it cannot be secret.")
        .example("import {\n  to = local_volume.data\n  id = \"\"\n}", "import {\n  to = local_volume.data\n  id = \"data\"\n}"),
    entry("import-not-configured", "what is imported is not configured",
        "An object is imported as an instance that the configuration has: `to` names a resource block, with its key where the block has `count` or \
         `for_each`. Declare it first; the plan then shows what differs from the object that is there.")
        .example("import {\n  to = local_volume.data\n  id = \"data\"\n}",
            "resource \"local_volume\" \"data\" {\n  name = \"data\"\n  size = 1\n}\n\nimport {\n  to = local_volume.data\n  id = \"data\"\n}"),
    entry("iterator", "`iterator` is no name",
        "In a `dynamic` block `iterator` names what its `content` calls the entry at hand. It is a word, not a value.")
        .example("dynamic \"disk\" {\n  for_each = var.disks\n  iterator = \"item\"\n}",
            "dynamic \"disk\" {\n  for_each = var.disks\n  iterator = item\n}"),
    entry("labels", "a block has too few or too many labels",
        "The labels are the quoted names behind a block's type: two for a `resource` (its type and its name), one for `variable`, \
         `output`, `module` and `provider`, none for `locals`.")
        .example("resource \"terraform_data\" {\n  input = 1\n}", "resource \"terraform_data\" \"name\" {\n  input = 1\n}"),
    entry("missing-argument", "an argument that must be given is missing",
        "The block, or the module that it calls, needs this argument: it has no default. Where the argument is declared is shown.")
        .example("module \"m\" {\n  source = \"./m\"\n}\n# m/main.hcl\nvariable \"size\" {}",
            "module \"m\" {\n  source = \"./m\"\n  size   = 3\n}"),
    entry("missing-block", "a block that must be there is missing",
        "A block of this kind makes no sense without the one that is named, for instance a node set without a `pool`; or the resource type needs \
         more blocks of a kind than there are.")
        .example("node_set \"web\" {}", "node_set \"web\" {\n  pool \"main\" {\n    source = \"./node\"\n    size   = 3\n  }\n}"),
    entry("module-missing", "the directory of a module does not exist",
        "`source` is a path to a directory with `*.hcl` files, relative to the file that it stands in. There are no registries: modules \
         live beside the environment and are versioned with it.")
        .example("module \"m\" {\n  source = \"network\"\n}", "module \"m\" {\n  source = \"./network\"\n}"),
    entry("module-recursion", "a module calls itself",
        "A module that calls itself, directly or through others, would never end."),
    entry("module-source", "the source of a module is not known",
        "`source` may use variables and local values, but nothing that is known only after an apply: which module is called decides what \
         there is to plan."),
    entry("moved-across", "a resource cannot become a module",
        "A `moved` block names two resources, or two modules. A resource that went into a module is named with it.")
        .example("moved {\n  from = local_volume.data\n  to   = module.store\n}",
            "moved {\n  from = local_volume.data\n  to   = module.store.local_volume.data\n}"),
    entry("moved-ambiguous", "two `moved` blocks contradict each other",
        "One address moves to two places, or two addresses move to one: an object has one place, and a place one object. Keep the block that is true."),
    entry("moved-circle", "`moved` blocks lead in a circle",
        "Moves follow each other, from the oldest address to the newest. These come back to where they began, so there is no newest. Take one away; two objects \
         change places in two applies, over a third address."),
    entry("moved-nowhere", "a `moved` block leads to where it begins",
        "`from` is the address before, `to` the address now. They are the same.")
        .example("moved {\n  from = local_volume.a\n  to   = local_volume.a\n}", "moved {\n  from = local_volume.a\n  to   = local_volume.b\n}"),
    entry("moved-still-exists", "what has moved is still declared",
        "A `moved` block says that the first address is not used any more, and the configuration still has it. Mostly the block was written and the resource \
         not yet renamed.")
        .example("resource \"terraform_data\" \"a\" {}\n\nmoved {\n  from = terraform_data.a\n  to   = terraform_data.b\n}",
            "resource \"terraform_data\" \"b\" {}\n\nmoved {\n  from = terraform_data.a\n  to   = terraform_data.b\n}"),
    entry("name", "this cannot be a name",
        "A name begins with a letter or an underscore and goes on with letters, digits, underscores and dashes.")
        .example("variable \"2nd\" {}", "variable \"second\" {}"),
    entry("node-name", "two nodes have the same name",
        "A node's name is made of its set, its pool and a number; names of sets and pools together must be unique."),
    entry("provider-key", "no configuration of the provider has this key",
        "A provider with `for_each` has one configuration for each key, and `provider = NAME.ALIAS[KEY]` chooses one of them. The keys that \
         there are stand in the hint."),
    entry("provider-reference", "`provider` names no provider configuration",
        "`provider` takes the name of a provider, with the alias of the block where there is one, without quotes.")
        .example("provider = \"local.west\"", "provider = local.west"),
    entry("provisioner", "there are no provisioners",
        "What a provisioner does is done once and recorded nowhere, so that no plan can tell whether it still holds. What runs on a node is \
         a `service`, which is installed, probed and brought back; a value to be replaced on demand is `terraform_data` with \
         `triggers_replace`."),
    entry("removed-instance", "`removed` names one instance",
        "`removed` is about a whole resource or module. One instance goes when `count` or `for_each` does not have it any more; to leave its object alone, \
         take its record away with `state rm`.")
        .example("removed {\n  from = terraform_data.a[0]\n}", "removed {\n  from = terraform_data.a\n}"),
    entry("removed-still-exists", "what was removed is still declared",
        "A `removed` block says what becomes of the objects of something that the configuration does not have any more, and it still has it. Remove one of the \
         two.")
        .example("resource \"terraform_data\" \"a\" {}\n\nremoved {\n  from = terraform_data.a\n}", "removed {\n  from = terraform_data.a\n}"),
    entry("replace-triggered-by", "`replace_triggered_by` names something else than a resource",
        "It takes references to resources of the same module, to instances or attributes of them. To replace an object when a value changes, keep the value in \
         the `input` of a `terraform_data` and name that.")
        .example("replace_triggered_by = [var.image]", "replace_triggered_by = [terraform_data.image]"),
    entry("reserved-name", "a variable has a name that `module` blocks use themselves",
        "Variables are set by arguments of `module` blocks, where `source`, `count`, `for_each` and some others have a meaning of their own. \
         A variable of such a name could never be set; give it another."),
    entry("root-only", "a block stands in a module that belongs into the environment",
        "Node sets and the `environment` block stand in the directory that is applied: they are about the environment as a whole."),
    entry("syntax", "the text cannot be read",
        "A bracket, a quote or an operator is missing, or stands where it cannot. The place where reading failed is shown together with \
         the place where what is broken began. One mistake does not hide those in other blocks.")
        .example("locals {\n  zones = [\"a\" \"b\"]\n}", "locals {\n  zones = [\"a\", \"b\"]\n}"),
    entry("too-many-blocks", "there are more blocks of a kind than there may be",
        "The resource type says how many blocks of each kind it takes. All that there are are shown, with how many each `dynamic` block makes of \
         them; the same limit holds where the argument is written as a list.")
        .example("provider \"aws\" {\n  default_tags {}\n  default_tags {\n    tags = { team = \"a\" }\n  }\n}",
            "provider \"aws\" {\n  default_tags {\n    tags = { team = \"a\" }\n  }\n}"),
    entry("type", "this is not a type",
        "Types are `string`, `number`, `bool`, `any`, `list(T)`, `set(T)`, `map(T)`, `tuple([T, ...])` and \
         `object({ name = T, ... })`, in which `optional(T)` and `optional(T, DEFAULT)` may stand. They are written without quotes. The \
         same code is given for a default that does not fit its own type.")
        .example("variable \"names\" {\n  type = list(strng)\n}", "variable \"names\" {\n  type = list(string)\n}"),
    entry("unknown-argument", "a block has no such argument",
        "The name is not among those that this block takes: often it is a letter wrong, or it belongs into another block. The nearest \
         name is given where there is one.")
        .example("resource \"terraform_data\" \"a\" {\n  inputs = 1\n}", "resource \"terraform_data\" \"a\" {\n  input = 1\n}"),
    entry("unknown-block", "there is no such block here",
        "The type of the block is not one of those that may stand at this place. In files of variables no block may stand at all.")
        .example("varible \"region\" {}", "variable \"region\" {}"),
    entry("unknown-function", "there is no such function",
        "The name is not one of the built-in functions, and there are no others. `docs/language.md` lists them. `try` and `can` do not \
         excuse it.")
        .example("uper(\"x\")", "upper(\"x\")"),
    entry("unknown-provider", "there is no such provider",
        "The first word of a resource's type names its provider. Providers are part of this program; there is nothing to \
         install.")
        .example("resource \"locl_network\" \"n\" {}", "resource \"local_network\" \"n\" {}"),
    entry("unknown-reference", "there is nothing of that name",
        "What is referred to is not declared in this module, or cannot be seen from here: `each` needs `for_each`, `count.index` needs \
         `count`, and a module sees its own variables and nothing of whoever calls it. Text without quotes reads as a reference, too. The \
         nearest name is given where there is one.")
        .example("variable \"region\" {}\noutput \"x\" {\n  value = var.regoin\n}",
            "variable \"region\" {}\noutput \"x\" {\n  value = var.region\n}"),
    entry("unknown-resource-type", "a provider has no such resource type",
        "The provider exists, but none of its types has this name. The same code is given when recorded objects are of a type that this \
         version of the program does not know.")
        .example("resource \"terraform_dta\" \"a\" {}", "resource \"terraform_data\" \"a\" {}"),
];
