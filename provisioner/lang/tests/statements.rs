//! `moved`, `removed` and `replace_triggered_by`: what they say, of which module, and which mistakes are told.

mod support;

use lang::load;
use model::Address;
use std::path::Path;
use support::{Files, Nothing, render, run, schemas};

const VOLUME: &str = "resource \"local_volume\" \"NAME\" {\n  name = \"x\"\n  size = 1\n}\n";

fn volume(name: &str) -> String {
    VOLUME.replace("NAME", name)
}

/// Where recorded addresses are now, by what the files say.
fn moved(files: &[(&str, &str)], recorded: &[&str]) -> Vec<String> {
    let files = Files::new(files);
    let configuration = load(Path::new("/env"), &files).configuration.expect("it loads");
    let address = |text: &&str| Address::parse(text).expect("an address");
    let recorded: Vec<_> = recorded.iter().map(address).collect();
    let moves = configuration.moves(recorded.iter());
    let one = |address: &Address| {
        let to = moves.iter().find_map(|one| one.takes(address));
        to.map_or_else(|| address.to_string(), |to| format!("{address} -> {to}"))
    };
    recorded.iter().map(one).collect()
}

#[test]
fn a_statement_means_every_instance_of_its_module() {
    let root = "module \"m\" {\n  source = \"../m\"\n  for_each = toset([\"a\", \"b\"])\n}\n";
    let inner = format!(
        "{}moved {{\n  from = local_volume.old\n  to = local_volume.new\n}}\n",
        volume("new")
    );
    let recorded = [
        "module.m[\"a\"].local_volume.old",
        "module.m[\"b\"].local_volume.old[0]",
        "local_volume.old",
    ];
    let expected = [
        "module.m[\"a\"].local_volume.old -> module.m[\"a\"].local_volume.new",
        "module.m[\"b\"].local_volume.old[0] -> module.m[\"b\"].local_volume.new[0]",
        "local_volume.old",
    ];
    assert_eq!(moved(&[("/env/main.hcl", root), ("/m/main.hcl", &inner)], &recorded), expected);
}

#[test]
fn count_that_comes_and_goes_is_a_move() {
    let counted = volume("a").replace("  size", "  count = 1\n  size");
    let root = counted.clone() + &volume("b");
    let files = [("/env/main.hcl", root.as_str())];
    let expected = ["local_volume.a -> local_volume.a[0]", "local_volume.b[0] -> local_volume.b"];
    assert_eq!(moved(&files, &["local_volume.a", "local_volume.b[0]"]), expected);
    // Not where both are recorded, and not where somebody says otherwise.
    assert_eq!(moved(&files, &["local_volume.a", "local_volume.a[0]"])[0], "local_volume.a");
    let said = counted + "moved {\n  from = local_volume.a\n  to = local_volume.a[3]\n}\n";
    let expected = ["local_volume.a -> local_volume.a[3]"];
    assert_eq!(moved(&[("/env/main.hcl", &said)], &["local_volume.a"]), expected);
}

#[test]
fn removals_are_evaluated_where_they_stand() {
    let text = "variable \"keep\" {\n  default = true\n}\nremoved {\n  from = module.m.local_volume.a\n  lifecycle {\n    destroy = !var.keep\n  }\n}\nremoved {\n  from = local_volume.b\n}\n";
    let run = run(&[("/env/main.hcl", text)], &[], &Nothing(schemas()));
    assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
    let said = |text: &str| {
        let address = Address::parse(text).unwrap();
        run.desired.removals.iter().find(|it| it.matches(&address)).map(|it| it.destroy)
    };
    assert_eq!(said("module.m[0].local_volume.a[1]"), Some(false));
    assert_eq!(said("local_volume.b"), Some(true));
    assert_eq!(said("local_volume.c"), None);
}

#[test]
fn triggers_name_instances_and_attributes() {
    let text = "resource \"local_volume\" \"a\" {\n  for_each = toset([\"x\", \"y\"])\n  name = each.key\n  size = 1\n}\nresource \"local_volume\" \"b\" {\n  for_each = toset([\"x\"])\n  name = each.key\n  size = 1\n  lifecycle {\n    replace_triggered_by = [local_volume.a[each.key].size, local_volume.a]\n  }\n}\n";
    let run = run(&[("/env/main.hcl", text)], &[], &Nothing(schemas()));
    assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
    let instance = run.desired.instances.iter().find(|it| it.address.name() == "b").unwrap();
    let texts =
        |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let [one, all] = instance.triggers.as_slice() else { panic!("{:?}", instance.triggers) };
    assert_eq!(texts(&one.addresses), ["local_volume.a[\"x\"]"]);
    assert_eq!(one.path.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["size"]);
    assert_eq!(one.text, "local_volume.a[each.key].size");
    assert_eq!(texts(&all.addresses), ["local_volume.a[\"x\"]", "local_volume.a[\"y\"]"]);
    assert_eq!(instance.depends_on.len(), 2);
}

fn check(name: &str, text: &str) {
    let run = run(&[("/env/main.hcl", text)], &[], &Nothing(schemas()));
    assert!(run.diagnostics.iter().any(model::Diagnostic::is_error), "{name}: no error");
    insta::assert_snapshot!(name, render(&run.diagnostics, &run.sources));
}

#[test]
fn mistakes() {
    let moved = |from: &str, to: &str| format!("moved {{\n  from = {from}\n  to   = {to}\n}}\n");
    check("moved_still_exists", &(volume("a") + &moved("local_volume.a", "local_volume.b")));
    check("moved_nowhere", &moved("local_volume.a", "local_volume.a"));
    check("moved_other_type", &moved("local_volume.a", "local_network.a"));
    check("moved_across", &moved("local_volume.a", "module.a"));
    let circle =
        moved("local_volume.a", "local_volume.b") + &moved("local_volume.b", "local_volume.a");
    check("moved_circle", &circle);
    let two =
        moved("local_volume.a", "local_volume.b") + &moved("local_volume.a", "local_volume.c");
    check("moved_to_two_places", &two);
    check("moved_not_an_address", &moved("\"local_volume.a\"", "local_volume"));
    check("moved_data", &moved("data.local_volume.a", "local_volume.b"));
    check(
        "removed_still_exists",
        &(volume("a")
            + "removed {\n  from = local_volume.a\n  lifecycle {\n    destroy = false\n  }\n}\n"),
    );
    check("removed_instance", "removed {\n  from = local_volume.a[0]\n}\n");
    let triggered = volume("a").replace("}\n", "  lifecycle {\n    replace_triggered_by = [var.x]\n  }\n}\nvariable \"x\" {\n  default = 1\n}\n");
    check("trigger_is_no_resource", &triggered);
}
