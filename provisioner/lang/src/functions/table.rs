//! The table of all functions, sorted by name.

use super::arguments::{Kind, Parameter};
use super::{Function, Handling};

use Handling::{Elementwise, Strict};
use Kind::{Any, Bool, List, Map, Number, Set, String};

const fn p(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, nullable: false }
}

const fn nullable(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, nullable: true }
}

pub(super) static FUNCTIONS: &[Function] = &[];
