//! Mistakes in configuration, and what the program says of them: an exit code that is not zero, the place in the
//! source, and what to do. Each answer is a snapshot under `snapshots/`.

use tests::Workbench;

/// What the program said, with the workbench's own path taken out.
fn said(bench: &Workbench, arguments: &[&str]) -> String {
    let finished = bench.run(arguments).exits(1);
    assert!(!finished.stderr.contains("panicked"), "{finished}");
    let root = bench.path("").to_string_lossy().trim_end_matches('/').to_owned();
    format!("exit code {}\n{}{}", finished.code, finished.stdout, finished.stderr)
        .replace(&root, "<bench>")
}

/// Validates an environment of one file.
fn validate(main: &str) -> String {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", main);
    said(&bench, &["validate", "env"])
}

macro_rules! mistakes {
    ($($name:ident: $text:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), validate($text));
            }
        )*
    };
}

mistakes! {
    syntax_error: "environment \"e\" {}\n\nlocals {\n  a = [1, 2\n}\n";
    missing_quote: "locals {\n  a = \"open\n  b = 1\n}\n";
    unknown_variable: "variable \"region\" {\n  default = \"here\"\n}\n\noutput \"x\" {\n  value = var.regoin\n}\n";
    unknown_local: "locals {\n  size = 3\n}\n\noutput \"x\" {\n  value = local.sizes + 1\n}\n";
    wrong_type: "variable \"size\" {\n  type    = number\n  default = \"many\"\n}\n";
    wrong_argument_type: "resource \"local_network\" \"n\" {\n  name = \"n\"\n  cidr = [\"10.0.0.0/8\"]\n}\n";
    cycle: "locals {\n  a = local.b + 1\n  b = local.c * 2\n  c = local.a\n}\n";
    cycle_of_resources: "resource \"local_network\" \"a\" {\n  name = local_network.b.id\n  cidr = \"10.0.0.0/24\"\n}\n\nresource \"local_network\" \"b\" {\n  name = local_network.a.id\n  cidr = \"10.0.1.0/24\"\n}\n";
    duplicate_block: "resource \"local_network\" \"n\" {\n  name = \"n\"\n  cidr = \"10.0.0.0/24\"\n}\n\nresource \"local_network\" \"n\" {\n  name = \"m\"\n  cidr = \"10.0.1.0/24\"\n}\n";
    missing_argument: "resource \"local_network\" \"n\" {\n  name = \"n\"\n}\n";
    unknown_argument: "resource \"local_network\" \"n\" {\n  name = \"n\"\n  cird = \"10.0.0.0/24\"\n  cidr = \"10.0.0.0/24\"\n}\n";
    unknown_resource_type: "resource \"local_netwrok\" \"n\" {\n  name = \"n\"\n}\n";
    unknown_function: "output \"x\" {\n  value = uper(\"a\")\n}\n";
    wrong_number_of_arguments: "output \"x\" {\n  value = upper(\"a\", \"b\")\n}\n";
    unknown_block: "resorce \"local_network\" \"n\" {\n  name = \"n\"\n}\n";
    module_directory_missing: "module \"m\" {\n  source = \"../modules/nothing\"\n}\n";
    missing_label: "resource \"local_network\" {\n  name = \"n\"\n}\n";
    for_each_list: "resource \"local_network\" \"n\" {\n  for_each = [\"a\", \"b\"]\n  name     = each.key\n  cidr     = \"10.0.0.0/24\"\n}\n";
    count_negative: "resource \"local_volume\" \"v\" {\n  count = 1 - 2\n  name  = \"v\"\n  size  = 1\n}\n";
    arithmetic_on_text: "output \"x\" {\n  value = \"three\" + 1\n}\n";
    failed_validation: "variable \"size\" {\n  type    = number\n  default = 0\n\n  validation {\n    condition     = var.size > 0\n    error_message = \"At least one node, please; ${var.size} is none.\"\n  }\n}\n";
    secret_in_an_output: "variable \"token\" {\n  default   = \"s3cr3t\"\n  sensitive = true\n}\n\noutput \"x\" {\n  value = \"token ${var.token}\"\n}\n";
    many_at_once: "locals {\n  a = var.nope\n  b = missing(1)\n  c = 1 + true\n}\n\noutput \"x\" {\n  valu = 1\n}\n\nresource \"local_network\" \"n\" {\n  name = \"n\"\n}\n";
    computed_argument: "resource \"local_network\" \"n\" {\n  name = \"n\"\n  cidr = \"10.0.0.0/24\"\n  id   = \"mine\"\n}\n";
    object_in_a_template: "locals {\n  o = { a = 1 }\n}\n\noutput \"x\" {\n  value = \"it is ${local.o}\"\n}\n";
}

/// Only a plan can tell that keys are not known yet.
#[test]
fn for_each_unknown() {
    let bench = Workbench::empty();
    let text = "resource \"local_network\" \"a\" {\n  name = \"a\"\n  cidr = \"10.0.0.0/24\"\n}\n\nresource \"local_volume\" \"v\" {\n  for_each = toset([local_network.a.id])\n  name     = each.key\n  size     = 1\n}\n";
    bench.write("env/main.hcl", text);
    insta::assert_snapshot!(said(&bench, &["plan", "env"]));
}

#[test]
fn a_variable_without_a_value() {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", "variable \"region\" {\n  type = string\n}\n");
    insta::assert_snapshot!(said(&bench, &["validate", "env"]));
}

#[test]
fn a_value_for_no_variable() {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", "variable \"size\" {\n  default = 1\n}\n");
    insta::assert_snapshot!(said(&bench, &["validate", "env", "--var", "sise=2"]));
}

#[test]
fn a_value_of_the_wrong_type_on_the_command_line() {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", "variable \"size\" {\n  type    = number\n  default = 1\n}\n");
    insta::assert_snapshot!(said(&bench, &["validate", "env", "--var", "size=many"]));
}

#[test]
fn an_environment_that_is_not_there() {
    let bench = Workbench::new();
    insta::assert_snapshot!(said(&bench, &["plan", "stagging"]));
}

#[test]
fn a_directory_without_configuration() {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("env")).unwrap();
    insta::assert_snapshot!(said(&bench, &["validate", "env"]));
}

#[test]
fn a_secret_is_not_shown_in_a_message() {
    let bench = Workbench::empty();
    let text = "variable \"token\" {\n  sensitive = true\n  default   = \"s3cr3t\"\n}\n\nlocals {\n  n = var.token + 1\n}\n";
    bench.write("env/main.hcl", text);
    let said = bench.run(&["validate", "env"]).exits(1);
    // The excerpt shows the source as it is written; the message must not repeat the value.
    let message = said.stderr.lines().filter(|line| !line.contains("default")).collect::<String>();
    assert!(!message.contains("s3cr3t"), "{said}");
}

#[test]
fn all_answers_are_data_too() {
    let bench = Workbench::empty();
    bench.write("env/main.hcl", "output \"x\" {\n  value = var.nope\n}\n");
    let answer = bench.run(&["validate", "env", "--json"]).exits(1).json();
    let first = &answer["diagnostics"][0];
    assert_eq!(first["severity"], "error", "{answer}");
    assert_eq!(first["labels"][0]["span"]["file"], "env/main.hcl", "{answer}");
}
