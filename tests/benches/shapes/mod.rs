//! Generated configurations of five shapes, in the language that `provisioner` and Terraform share.
//!
//! Every resource is a `terraform_data` with ten attributes, all of which hold references or calls.
//! Invariant: a shape of `n` has `n` instances, and its text is the same at every run.

/// How many resources a module of [`Shape::Modules`] has, and a layer of [`Shape::Layered`].
const GROUP: u64 = 100;

/// What refers to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No resource refers to another.
    Wide,
    /// Each refers to the one before.
    Chain,
    /// Layers of a hundred; each refers to three of the layer before.
    Layered,
    /// One block with an entry for each instance.
    ForEach,
    /// Modules of a hundred resources, each with an output of the module before.
    Modules,
}

/// All shapes.
pub const SHAPES: [Shape; 5] =
    [Shape::Wide, Shape::Chain, Shape::Layered, Shape::ForEach, Shape::Modules];

impl Shape {
    /// As tables show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Chain => "chain",
            Self::Layered => "layered",
            Self::ForEach => "for_each",
            Self::Modules => "modules",
        }
    }

    /// The files of a configuration, each with its path below the root module; `extension` is that of all files.
    pub fn files(self, n: u64, extension: &str) -> Vec<(String, String)> {
        let mut main = SETTINGS.to_owned();
        let mut files = Vec::new();
        match self {
            Self::Wide => (0..n).for_each(|at| main.push_str(&resource(at, "local.prefix"))),
            Self::Chain => (0..n).for_each(|at| main.push_str(&resource(at, &chained(at)))),
            Self::Layered => (0..n).for_each(|at| main.push_str(&resource(at, &layered(at)))),
            Self::ForEach => main.push_str(&for_each(n)),
            Self::Modules => {
                (0..n.div_ceil(GROUP)).for_each(|at| main.push_str(&call(at)));
                let mut part = SETTINGS.to_owned() + PART;
                (0..GROUP.min(n)).for_each(|at| part.push_str(&resource(at, "var.before")));
                files.push((format!("part/main.{extension}"), part));
            }
        }
        files.push((format!("main.{extension}"), main));
        files
    }
}

const SETTINGS: &str = r#"
variable "region" {
  type    = string
  default = "eu-central"
}

variable "size" {
  type    = number
  default = 4
}

locals {
  prefix = "fleet-${var.region}"
  zones  = ["a", "b", "c"]
  tags   = { owner = "platform", region = var.region }
}
"#;

const PART: &str = r#"
variable "before" {
  type    = string
  default = ""
}

output "last" {
  value = terraform_data.r0.id
}
"#;

/// A block of which `before` is the reference that makes the shape.
fn resource(at: u64, before: &str) -> String {
    block(&format!("r{at}"), "", &at.to_string(), before)
}

fn block(name: &str, repetition: &str, number: &str, before: &str) -> String {
    format!(
        r#"
resource "terraform_data" "{name}" {{{repetition}
  input = {{
    name    = "${{local.prefix}}-${{format("%06d", {number})}}"
    region  = upper(var.region)
    zone    = element(local.zones, {number})
    tags    = merge(local.tags, {{ number = {number} }})
    size    = max(var.size, {number} % 7)
    labels  = join(",", [for zone in local.zones : "${{zone}}-{word}"])
    enabled = var.size > 3 && contains(local.zones, "a")
    path    = replace(lower("${{var.region}}/{word}"), "/", "-")
    zones   = length(local.zones) + 1
    before  = trimspace({before})
  }}
}}
"#,
        word = if repetition.is_empty() { number.to_owned() } else { format!("${{{number}}}") },
    )
}

fn chained(at: u64) -> String {
    match at {
        0 => "local.prefix".to_owned(),
        _ => format!("terraform_data.r{}.id", at - 1),
    }
}

fn layered(at: u64) -> String {
    if at < GROUP {
        return "local.prefix".to_owned();
    }
    let (layer, place) = (at / GROUP, at % GROUP);
    let before = [0, 1, 7].map(|step| {
        let other = (layer - 1) * GROUP + (place + step) % GROUP;
        format!("terraform_data.r{other}.id")
    });
    format!(r#"join("/", [{}])"#, before.join(", "))
}

/// Terraform's `range` ends at 1024, so the entries are pairs.
fn for_each(n: u64) -> String {
    let (rows, columns) = (n.div_ceil(GROUP), GROUP.min(n));
    let repetition = format!(
        r#"
  for_each = {{
    for pair in setproduct(range({rows}), range({columns})) :
    "entry-${{pair[0] * {columns} + pair[1]}}" => pair[0] * {columns} + pair[1]
  }}
"#
    );
    block("this", &repetition, "each.value", "each.key")
}

fn call(at: u64) -> String {
    let before = match at {
        0 => "local.prefix".to_owned(),
        _ => format!("module.m{}.last", at - 1),
    };
    format!(
        r#"
module "m{at}" {{
  source = "./part"
  region = var.region
  size   = {at}
  before = {before}
}}
"#
    )
}
