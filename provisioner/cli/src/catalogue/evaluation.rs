//! Codes of values: expressions, variables, repetition, outputs.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("arithmetic", "a calculation has no result",
        "The result is no number that could be kept, for instance because it is too large."),
    entry("artifact", "an artifact has no source or several",
        "An artifact of a service comes from one place (`url`, `file` or `package`) and has the sha256 of what that gives."),
    entry("branches", "the two results of a condition do not fit together",
        "`condition ? a : b` has one type, whichever branch is taken, so both must have types that can be brought together.")
        .example("var.b ? { a = 1 } : [1]", "var.b ? [{ a = 1 }] : []"),
    entry("call", "a function refuses its arguments",
        "There are too few or too many arguments, one has a type that cannot be converted, is null, or the function could do nothing with \
         its value. The label stands at the argument, and says what the function takes.")
        .example("replace(\"a\", \"b\")", "replace(\"a\", \"b\", \"c\")"),
    entry("check", "an assertion of a check does not hold",
        "A `check` looks at what there is without standing in the way: it is told as a warning, and everything goes on. The message is the author's \
         own."),
    entry("computed-argument", "an attribute cannot be set",
        "The provider decides this attribute; it can be read but not given.")
        .example("resource \"terraform_data\" \"a\" {\n  id = \"mine\"\n}", "resource \"terraform_data\" \"a\" {\n  input = \"mine\"\n}"),
    entry("condition", "a condition is neither true nor false",
        "What stands before `?`, behind `if` or in a `condition` must be a bool, or the text \"true\" or \"false\".")
        .example("length(var.zones) ? 1 : 2", "length(var.zones) > 0 ? 1 : 2"),
    entry("constant", "only a constant can stand here",
        "Files of variables and a few arguments hold plain values: texts, numbers, lists, objects and calls of functions, but no references, \
         since nothing has been read yet that they could refer to.")
        .example("# a.hclvars\nzones = [var.zone]", "# a.hclvars\nzones = [\"eu-1\"]"),
    entry("constant-condition", "a condition is always the same",
        "A condition that refers to nothing is true or false for ever, so that it checks nothing. Mostly a reference was meant and a text or a number was \
         written.")
        .example("condition = 1 > 2", "condition = var.size > 2"),
    entry("count", "`count` is no whole number from 0",
        "`count` says how many instances there are: a whole number, not negative, not null.")
        .example("count = length(var.zones) - 3", "count = max(length(var.zones) - 3, 0)"),
    entry("cycle", "things need each other in a circle",
        "Each of them needs the next one to have its value, so none can be the first. Every step of the shortest circle is shown with the \
         reference that makes it. Break it at one of them: give it its value from somewhere else.")
        .example("locals {\n  a = local.b\n  b = local.a\n}", "locals {\n  a = 1\n  b = local.a\n}"),
    entry("duplicate-for-key", "a `for` gives one key twice",
        "In `{ for ... : key => value }` each key comes once. With `...` behind the value, the values of one key become a list.")
        .example("{ for u in var.users : u.team => u.name }", "{ for u in var.users : u.team => u.name... }"),
    entry("ephemeral-value", "an ephemeral value would be stored",
        "An ephemeral value exists only during a run: it may decide a condition or go into a module, but not into an argument, a nested block or the \
         configuration of a provider, not into an output of the environment, and not decide which instances there are: all that is recorded."),
    entry("expansion", "`...` follows something that is no list",
        "`...` behind the last argument of a call gives the function each element as an argument of its own, so it follows a list, a set \
         or a tuple.")
        .example("max(var.numbers_by_name...)", "max(values(var.numbers_by_name)...)"),
    entry("failed-reference", "what this needs has a mistake",
        "The expression refers to something whose own mistake has been told. Mend that first."),
    entry("for-each", "`for_each` is neither a map nor a set of texts",
        "The keys of `for_each` become part of the instances' addresses, so they must be texts and unique. A list has numbers for keys, \
         which would change when one is removed: make it a set.")
        .example("for_each = [\"a\", \"b\"]", "for_each = toset([\"a\", \"b\"])"),
    entry("for-each-sensitive", "the keys of `for_each` are secret",
        "Keys are part of addresses, which are shown and recorded. Take keys that are no secret and look the secret values up by them.")
        .example("for_each = var.passwords", "for_each = nonsensitive(toset(keys(var.passwords)))"),
    entry("for-over-null", "a `for` goes through null",
        "null has no elements. Give an empty collection where there may be nothing.")
        .example("[for z in var.zones : z]", "[for z in coalesce(var.zones, []) : z]"),
    entry("for-over-value", "a `for` goes through something that has no elements",
        "`for` takes lists, sets, tuples, maps and objects. For numbers there is `range(n)`.")
        .example("[for i in 5 : i]", "[for i in range(5) : i]"),
    entry("index", "there is no such element",
        "The index is outside of the list, the map has no such key, or the value cannot be indexed at all. Indexes begin at 0.")
        .example("var.sizes[\"medium\"]", "lookup(var.sizes, \"medium\", 1)"),
    entry("interpolation", "this cannot stand in a text",
        "Only texts, numbers and bools can be put into a text. Of a collection, say how: `join(\", \", list)` or `jsonencode(value)`.")
        .example("\"zones: ${var.zones}\"", "\"zones: ${join(\", \", var.zones)}\""),
    entry("max-parallel", "`max_parallel` is no whole number from 1",
        "It says how many nodes get a new release of a service at the same time."),
    entry("missing-variable", "a variable has no value",
        "It has no default, and neither the command line, nor a file, nor the process environment gives a value. For a variable `size`: \
         `--var size=3`, a line `size = 3` in a `*.auto.hclvars` file, or `PROVISIONER_VAR_size=3`."),
    entry("no-attributes", "a value has no attributes",
        "A `.` follows something that is neither an object nor a map.")
        .example("var.name.first", "split(\" \", var.name)[0]"),
    entry("no-machine", "a pool's module gives no machine",
        "The module of a pool has an output `machine` with the address, port, user and host key with which its node can be reached."),
    entry("null-access", "an attribute or element of null",
        "The value is null here, so it has no parts. Ask first, or give another value.")
        .example("var.machine.name", "var.machine == null ? \"none\" : var.machine.name"),
    entry("number-too-large", "a number is too large",
        "The literal has an exponent beyond anything that can be calculated with."),
    entry("object-key", "this cannot be an object's key",
        "Keys are texts. Numbers and bools are converted; null, lists and objects cannot be."),
    entry("operand", "an operator cannot take this value",
        "Arithmetic takes numbers, `&&`, `||` and `!` take bools, comparisons take numbers. Texts that read as a number or a bool are \
         converted. Texts are put together in a template, not with `+`.")
        .example("\"a\" + \"b\"", "\"${\"a\"}${\"b\"}\""),
    entry("pool-domains", "the failure domains of a pool are no list of names",
        "`domains` is a list of at least one known text. Nodes are spread over them."),
    entry("pool-size", "the size of a pool is no whole number from 0",
        "`size` says how many nodes a pool has, and must be known when planning."),
    entry("postcondition", "what was made is not as it should be",
        "The resource has a `postcondition` that is false for what the provider gave. The object exists and is recorded; what depends on it is not \
         tried. The message is the author's own."),
    entry("precondition", "the ground for something is missing",
        "The block has a `precondition` that is false, so that nothing is done. The message is the author's own; the condition is shown."),
    entry("probe", "a probe asks in no way or in several",
        "A probe has one of `http`, `tcp` and `command`."),
    entry("sensitive-output", "an output would show a secret",
        "What comes from a sensitive variable or attribute is sensitive, whatever is made of it. An output that holds such a value says so, \
         and is then not printed unless it is asked for by name.")
        .example("output \"password\" {\n  value = var.password\n}",
            "output \"password\" {\n  value     = var.password\n  sensitive = true\n}"),
    entry("services", "the services of a node set are no list of services",
        "`services` is a list of handles: `service.NAME`, or an output of a module that gives one."),
    entry("several-instances", "an attribute of a resource that has several instances",
        "With `count` or `for_each` there are several objects of the resource; say of which one the attribute is meant, or take all.")
        .example("terraform_data.a.id", "terraform_data.a[0].id\n# or of all of them\nterraform_data.a[*].id"),
    entry("sha256", "this is no sha256",
        "A sha256 is 64 hexadecimal digits in lower case, as `sha256sum` prints it."),
    entry("splat", "a splat gives elements of different types",
        "A splat over a list gives a list, whose elements are all of one type; here the inner one gives tuples that differ. A `for` in brackets \
         makes a tuple, which may hold anything.")
        .example("var.groups[*][*]", "[for group in var.groups : group[*]]"),
    entry("too-deep", "a value is nested too deep",
        "Lists, maps and objects may stand in one another, and values that are known only later may rest on one another, but not without end: a chain of \
         local values that each wrap the one before makes such a value. Keep its parts side by side, and let them refer to one another by name.")
        .example("a2 = [local.a1]", "levels = { a1 = local.a1, a2 = \"a1\" }"),
    entry("too-many-unknowns", "a value rests on too many unknown ones",
        "To compute the value later, everything that it refers to would have to be kept in the plan, and that is more than a plan holds. Split the value, or \
         make what it comes from first, with `--target`."),
    entry("unknown-attribute", "a value has no such attribute",
        "The object, or the resource type, has no attribute of this name. What there is is listed, or the nearest name given.")
        .example("terraform_data.a.idd", "terraform_data.a.id"),
    entry("unknown-keys", "how many instances there are is known only after an apply",
        "`count` and the keys of `for_each` decide which instances there are, so they must be known when planning. What an object gets when it \
         is made (an id, an address) cannot be a key, but it may be a value. Take keys from the configuration.")
        .example("for_each = toset([terraform_data.a.id])", "for_each = { a = terraform_data.a.id }"),
    entry("unknown-variable", "a value is given to no variable",
        "The command line or a file gives a value for a variable that the environment does not declare. Values in the process environment \
         that nobody declares are no mistake."),
    entry("unresolved", "a value is still unknown when it is needed",
        "An operation began, but something that it needs was not told by what ran before. This is a mistake of a provider or of \
         this program."),
    entry("validation", "the value of a variable does not satisfy its validation",
        "The variable has a `validation` block whose condition is false for this value. The message is the module author's own; where the value \
         came from and the condition are shown."),
    entry("validation-reference", "a validation does not look at its own variable",
        "The condition of a `validation` block says which values of this very variable are allowed, so it refers to it. It may refer to others as well.")
        .example("variable \"n\" {\n  validation {\n    condition     = var.m > 0\n    error_message = \"No.\"\n  }\n}",
            "variable \"n\" {\n  validation {\n    condition     = var.n > 0\n    error_message = \"No.\"\n  }\n}"),
    entry("variable-file", "a file of variables cannot be used",
        "The file does not exist, cannot be read, or is no JSON object although its name ends in `.json`."),
    entry("variable-value", "a value for a variable cannot be read",
        "On the command line and in the process environment a variable of type string, number or bool takes the text as it is; any other type \
         takes an expression, quoted for the shell.")
        .example("--var zones=a,b", "--var 'zones=[\"a\", \"b\"]'"),
    entry("wrong-type", "a value has the wrong type",
        "The value cannot be converted to the type that is wanted. What was found and what is wanted is said at the value, and where the type \
         is declared is shown. Numbers, bools and texts are converted to each other where that loses nothing.")
        .example("variable \"size\" {\n  type    = number\n  default = \"many\"\n}",
            "variable \"size\" {\n  type    = number\n  default = 3\n}"),
];
