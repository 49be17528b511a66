//! What users get for their mistakes: one snapshot each, in `snapshots/`.

mod support;

use support::{Nothing, render, run, schemas};

/// Takes a snapshot of the diagnostics of files in memory.
fn check(name: &str, files: &[(&str, &str)], variables: &[(&str, &str)]) {
    let run = run(files, variables, &Nothing(schemas()));
    assert!(!run.diagnostics.is_empty(), "{name}: nothing was found");
    insta::assert_snapshot!(name, render(&run.diagnostics, &run.sources));
}

fn one(name: &str, text: &str) {
    check(name, &[("/env/main.hcl", text)], &[]);
}

#[test]
fn syntax() {
    one("syntax_missing_brace", "locals {\n  a = 1\n");
    one("syntax_single_quotes", "locals {\n  a = 'x'\n}\n");
    one("syntax_unterminated_string", "locals {\n  a = \"x\n}\n\nlocals {\n  b = \n}\n");
    one("syntax_unterminated_heredoc", "locals {\n  a = <<EOT\nhello\n}\n");
    check(
        "syntax_several_files",
        &[("/env/a.hcl", "locals {\n  a = ]\n}\n"), ("/env/b.hcl", "locals {\n  a = (1\n}\n")],
        &[],
    );
    one("duplicate_object_key", "locals {\n  a = { x = 1, y = 2, x = 3 }\n}\n");
    one("duplicate_attribute", "locals {\n  a = 1\n  a = 2\n}\n");
}

#[test]
fn blocks() {
    one("unknown_block", "resorce \"local_volume\" \"a\" {\n}\n");
    one("missing_label", "resource \"local_volume\" {\n}\n");
    one(
        "duplicate_resource",
        "resource \"local_network\" \"a\" {\n  name = \"x\"\n}\nresource \"local_network\" \"a\" {\n  name = \"y\"\n}\n",
    );
    one("duplicate_environment", "environment \"a\" {}\nenvironment \"b\" {}\n");
    one(
        "environment_blocks",
        "environment \"a\" {\n  descripton = \"x\"\n  state {\n    url = \"x\"\n    tls {\n    }\n  }\n  secrets {\n    key = 1\n  }\n  secrets {\n  }\n  store {\n  }\n}\n",
    );
    one(
        "settings_references",
        "environment \"a\" {\n  description = module.m.name\n  state {\n    backend = local.backend\n    url = \"x-${local_network.n.id}\"\n    key = environment.login_key\n    name = environment.name\n  }\n  secrets {\n    a = local.deep\n    b = local_network.missing.id\n    c = word\n  }\n}\nlocals {\n  backend = \"sqlite\"\n  deep = upper(local.deeper)\n  deeper = [for n in node_set.edge.nodes : n.name][0]\n}\nresource \"local_network\" \"n\" {\n  name = \"x\"\n}\nnode_set \"edge\" {\n  pool \"a\" {\n    source = \"./m\"\n    size = 1\n  }\n}\nmodule \"m\" {\n  source = \"./n\"\n}\n",
    );
    one("unknown_backend", "environment \"a\" {\n  state {\n    backend = \"postgre\"\n  }\n}\n");
    one(
        "backend_of_wrong_type",
        "environment \"a\" {\n  state {\n    backend = [\"s3\"]\n  }\n}\n",
    );
    one(
        "unknown_argument_of_block",
        "variable \"a\" {\n  typ = string\n  default = 1\n}\noutput \"x\" {\n  value = var.a\n  sensitiv = true\n}\n",
    );
    one(
        "count_and_for_each",
        "resource \"local_network\" \"a\" {\n  count = 1\n  for_each = {}\n  name = \"x\"\n}\n",
    );
    one(
        "depends_on_text",
        "resource \"local_network\" \"a\" {\n  name = \"x\"\n  depends_on = [\"local_network.b\"]\n}\n",
    );
    one(
        "unsupported_block",
        "terraform {\n}\nephemeral \"random_password\" \"a\" {\n}\nbackup {\n}\n",
    );
    one(
        "wrong_type_expression",
        "variable \"a\" {\n  type = strin\n}\nvariable \"b\" {\n  type = list(string, number)\n  default = []\n}\n",
    );
}

#[test]
fn references() {
    one(
        "unknown_variable",
        "variable \"size\" {\n  default = 1\n}\nlocals {\n  a = var.sise\n  b = local.c\n  d = module.x.y\n}\n",
    );
    one(
        "unknown_resource",
        "resource \"local_network\" \"main\" {\n  name = \"x\"\n}\noutput \"x\" {\n  value = local_network.mian.id\n}\n",
    );
    one(
        "unknown_attribute",
        "resource \"local_network\" \"main\" {\n  name = \"x\"\n}\noutput \"x\" {\n  value = local_network.main.cdir\n}\n",
    );
    one(
        "unknown_function",
        "locals {\n  a = uper(\"x\")\n  b = upper(\"x\", \"y\")\n  c = upper([])\n}\n",
    );
    one("bare_word", "resource \"local_network\" \"main\" {\n  name = staging\n}\n");
    one(
        "each_outside",
        "resource \"local_network\" \"main\" {\n  name = each.key\n  cidr = count.index\n}\n",
    );
    one("self_reference", "locals {\n  a = local.a\n}\n");
    one(
        "cycle",
        "locals {\n  a = local.b\n  b = local.c\n  c = \"${local.a}-${local.d}\"\n  d = local.c\n}\n",
    );
    one(
        "missing_instance_key",
        "resource \"local_network\" \"n\" {\n  for_each = toset([\"a\"])\n  name = each.key\n}\noutput \"x\" {\n  value = local_network.n[\"b\"].id\n}\noutput \"y\" {\n  value = local_network.n.id\n}\n",
    );
}

#[test]
fn values() {
    one(
        "operands",
        "locals {\n  a = \"x\" + 1\n  b = !5\n  c = null && true\n  d = 0 / 0\n  e = 1 ? 2 : 3\n}\n",
    );
    one(
        "object_in_template",
        "locals {\n  o = { a = 1 }\n  a = \"x ${local.o}\"\n  b = \"x ${null}\"\n}\n",
    );
    one("branches", "locals {\n  a = true ? 1 : [2]\n}\n");
    one(
        "index",
        "locals {\n  l = [1, 2]\n  a = local.l[2]\n  b = local.l[\"x\"]\n  c = toset([1])[0]\n  d = \"x\".y\n}\n",
    );
    one(
        "for_over_text",
        "locals {\n  a = [for x in \"abc\" : x]\n  b = { for x in [1, 1] : x => x }\n}\n",
    );
    one("count_negative", "resource \"local_network\" \"n\" {\n  count = -1\n  name = \"x\"\n}\n");
    one(
        "count_unknown",
        "resource \"local_network\" \"n\" {\n  name = \"x\"\n}\nresource \"local_network\" \"m\" {\n  count = length(local_network.n.id)\n  name = \"x\"\n}\n",
    );
    one(
        "for_each_list",
        "resource \"local_network\" \"n\" {\n  for_each = [\"a\"]\n  name = each.key\n}\nresource \"local_network\" \"m\" {\n  for_each = toset([local_network.o.id])\n  name = each.key\n}\nresource \"local_network\" \"o\" {\n  name = \"x\"\n}\n",
    );
    one(
        "sensitive_output",
        "variable \"s\" {\n  default = \"x\"\n  sensitive = true\n}\noutput \"o\" {\n  value = \"a${var.s}\"\n}\n",
    );
}

#[test]
fn arguments() {
    one("missing_argument", "resource \"local_volume\" \"v\" {\n  name = \"x\"\n}\n");
    one(
        "unknown_argument",
        "resource \"local_volume\" \"v\" {\n  name = \"x\"\n  sice = 1\n  size = 1\n  id = \"y\"\n}\n",
    );
    one(
        "argument_type",
        "resource \"local_volume\" \"v\" {\n  name = [\"x\"]\n  size = \"big\"\n}\n",
    );
    one(
        "unknown_type",
        "resource \"local_volum\" \"v\" {\n}\nresource \"aws_instance\" \"v\" {\n}\n",
    );
    one(
        "nested_block",
        "resource \"local_machine\" \"m\" {\n  name = \"x\"\n  volumes {\n    volume = \"v\"\n    pat = \"/\"\n  }\n}\n",
    );
    one(
        "lifecycle",
        "resource \"local_volume\" \"v\" {\n  name = \"x\"\n  size = 1\n  lifecycle {\n    prevent_destroi = true\n    ignore_changes = [nam]\n  }\n}\n",
    );
    one(
        "provider",
        "provider \"loca\" {\n}\nprovider \"local\" {\n  isolatio = 1\n}\nresource \"local_volume\" \"v\" {\n  name = \"x\"\n  size = 1\n  provider = local.west\n}\n",
    );
}

#[test]
fn variables() {
    one("variable_unset", "variable \"a\" {\n  type = string\n}\n");
    check(
        "variable_inputs",
        &[(
            "/env/main.hcl",
            "variable \"size\" {\n  type = number\n}\nvariable \"names\" {\n  type = list(string)\n}\nvariable \"o\" {\n  type = object({ a = string, b = optional(number, 1) })\n}\n",
        )],
        &[("size", "many"), ("names", "[\"a\""), ("o", "{ b = 2 }"), ("sise", "3")],
    );
    check(
        "validation",
        &[(
            "/env/main.hcl",
            "variable \"size\" {\n  type = number\n  validation {\n    condition = var.size > 0\n    error_message = \"The size must be positive, not ${var.size}.\"\n  }\n}\n",
        )],
        &[("size", "-1")],
    );
}

#[test]
fn modules() {
    one("module_missing", "module \"m\" {\n  source = \"./nothing\"\n}\nmodule \"n\" {\n}\n");
    let module =
        "variable \"size\" {\n  type = number\n}\noutput \"size\" {\n  value = var.size\n}\n";
    check(
        "module_arguments",
        &[
            (
                "/env/main.hcl",
                "module \"m\" {\n  source = \"./m\"\n  sise = 1\n}\nmodule \"n\" {\n  source = \"./m\"\n  size = \"x\"\n}\noutput \"o\" {\n  value = module.n.sixe\n}\n",
            ),
            ("/env/m/main.hcl", module),
        ],
        &[],
    );
    check(
        "module_recursion",
        &[
            ("/env/main.hcl", "module \"m\" {\n  source = \"./m\"\n}\n"),
            ("/env/m/main.hcl", "module \"again\" {\n  source = \"../m\"\n}\n"),
        ],
        &[],
    );
    check(
        "cycle_through_module",
        &[
            (
                "/env/main.hcl",
                "module \"m\" {\n  source = \"./m\"\n  size = local.x + 1\n}\nlocals {\n  x = module.m.size\n}\n",
            ),
            ("/env/m/main.hcl", module),
        ],
        &[],
    );
    check(
        "cycle_of_depends_on",
        &[
            (
                "/env/main.hcl",
                "module \"a\" {\n  source = \"./m\"\n  size = 1\n  depends_on = [module.b]\n}\nmodule \"b\" {\n  source = \"./m\"\n  size = 1\n  depends_on = [module.a]\n}\nresource \"local_network\" \"n\" {\n  name = \"n\"\n  depends_on = [local_network.n]\n}\n",
            ),
            ("/env/m/main.hcl", module),
        ],
        &[],
    );
    check(
        "module_source",
        &[
            (
                "/env/main.hcl",
                "variable \"cloud\" {}\nmodule \"m\" {\n  source = \"./${var.cloud}\"\n}\nmodule \"n\" {\n  source = var.cloud\n}\n",
            ),
            ("/env/m/main.hcl", ""),
        ],
        &[("cloud", "m2")],
    );
}

const MACHINE: &str = "variable \"node\" {\n  type = any\n}\nvariable \"network\" {\n  type = string\n}\nresource \"local_machine\" \"this\" {\n  name = var.node.name\n  network = var.network\n}\noutput \"machine\" {\n  value = local_machine.this\n}\n";

#[test]
fn node_sets() {
    check(
        "node_set",
        &[
            (
                "/env/main.hcl",
                "node_set \"a\" {\n  pool \"p\" {\n    source = \"./machine\"\n    size = 2.5\n  }\n  services = [service.s, \"x\"]\n}\nnode_set \"b\" {\n  pool \"p\" {\n    source = \"./machine\"\n    size = 1\n    inputs = { netwrok = \"n\" }\n  }\n}\nservice \"s\" {\n  version = node.name\n  command = [\"a\"]\n  probe \"p\" {\n    from = \"moon\"\n  }\n}\n",
            ),
            ("/env/machine/main.hcl", MACHINE),
        ],
        &[],
    );
    check(
        "service",
        &[
            (
                "/env/main.hcl",
                "node_set \"a\" {\n  pool \"p\" {\n    source = \"./machine\"\n    size = 1\n    inputs = { network = \"n\" }\n  }\n  services = [service.s]\n}\nservice \"s\" {\n  version = \"1\"\n  comand = [\"a\"]\n  command = \"a\"\n  max_parallel = 0\n  artifact {\n    url = \"https://x\"\n    sha256 = \"ABC\"\n  }\n  file \"x\" {\n    content = node.facts.s.key\n  }\n  probe \"p\" {\n    from = \"moon\"\n  }\n}\n",
            ),
            ("/env/machine/main.hcl", MACHINE),
        ],
        &[],
    );
    check(
        "cycle_through_node_set",
        &[
            (
                "/env/main.hcl",
                "locals {\n  network = node_set.a.nodes[0].address\n}\nnode_set \"a\" {\n  pool \"p\" {\n    source = \"./machine\"\n    size = 1\n    inputs = { network = local.network }\n  }\n}\n",
            ),
            ("/env/machine/main.hcl", MACHINE),
        ],
        &[],
    );
    check(
        "root_only",
        &[
            ("/env/main.hcl", "module \"m\" {\n  source = \"./m\"\n}\n"),
            (
                "/env/m/main.hcl",
                "node_set \"a\" {}\nprovider \"local\" {}\nlocals {\n  a = node_set.a.nodes\n}\n",
            ),
        ],
        &[],
    );
}

#[test]
fn many_at_once() {
    one(
        "many_at_once",
        "resource \"local_network\" \"a\" {\n  name = var.nope\n  names = 1\n}\n\nresource \"local_network\" \"b\" {\n  name = uper(\"x\")\n}\n\noutput \"o\" {\n  value = local.nope + local_volume.c.id\n}\n\nmodule \"m\" {\n}\n",
    );
}

#[test]
fn templates() {
    check(
        "template_file",
        &[
            (
                "/env/main.hcl",
                "locals {\n  a = templatefile(\"x.tftpl\", { name = \"n\" })\n  b = templatefile(\"y.tftpl\", {})\n  c = templatefile(\"missing.tftpl\", {})\n  d = templatefile(\"x.tftpl\", 1)\n}\n",
            ),
            ("/env/x.tftpl", "hello\n${nam}\n"),
            ("/env/y.tftpl", "hello ${\n"),
        ],
        &[],
    );
}
