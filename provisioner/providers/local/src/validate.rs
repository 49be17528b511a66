//! Checks of arguments that need nothing but the arguments; unknown parts are left for later.

use crate::arguments;
use crate::error::LocalError;
use crate::layout::{Kind, check_name};
use crate::network::Cidr;
use model::{Address, Value};

/// The first problem of an object's arguments, if any can be told; of a data source, which is told the name only.
pub fn problem(kind: Kind, address: &Address, given: &Value) -> Option<LocalError> {
    let text = |name: &str| given.get(name)?.as_str().map(str::to_owned);
    if let Some(Err(error)) = text("name").map(|name| check_name(kind, &name)) {
        return Some(error);
    }
    match kind {
        _ if address.is_data() => None,
        Kind::Snapshot => {
            let is_known = |name: &str| given.get(name).is_none_or(|it| it.is_wholly_known());
            let can_tell = is_known("machine") && is_known("volume");
            if can_tell { arguments::captured(given).err() } else { None }
        }
        Kind::Network => text("cidr").and_then(|cidr| Cidr::parse(&cidr).err()),
        Kind::Volume => {
            let size = given.get("size")?;
            if size.is_wholly_known() { arguments::size_gib(given).err() } else { None }
        }
        Kind::Machine => {
            if !given.is_wholly_known() {
                return None;
            }
            let arguments = arguments::machine(given);
            arguments.and_then(|arguments| crate::machine::check_arguments(&arguments)).err()
        }
    }
}
