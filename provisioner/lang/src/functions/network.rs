//! Functions on IP networks in CIDR notation.

use super::arguments::{number, text, whole};
use super::{FunctionContext, FunctionError};
use model::{Type, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

type Answer = Result<Value, FunctionError>;

/// A network; `base` has no bits set behind the prefix.
#[derive(Clone, Copy)]
struct Network {
    base: u128,
    prefix: u32,
    /// Bits of an address: 32 or 128.
    width: u32,
}

impl Network {
    /// How many bits are left behind a prefix of this length.
    fn free_bits(self) -> u32 {
        self.width - self.prefix
    }

    /// The highest number that fits into so many bits.
    fn highest(bits: u32) -> u128 {
        u128::MAX.checked_shr(128 - bits).unwrap_or(0)
    }

    fn address(self, bits: u128) -> String {
        match u32::try_from(bits) {
            Ok(bits) if self.width == 32 => Ipv4Addr::from_bits(bits).to_string(),
            _ => Ipv6Addr::from_bits(bits).to_string(),
        }
    }
}

fn network(args: &[Value]) -> Result<Network, FunctionError> {
    let given = text(args, 0)?;
    let parse = || {
        let (address, prefix) = given.split_once('/')?;
        let prefix: u32 = prefix.parse().ok()?;
        let (bits, width) = match decimal_octets(address).parse().ok()? {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host = Network::highest(width - Some(prefix).filter(|prefix| *prefix <= width)?);
        Some(Network { base: bits & !host, prefix, width })
    };
    parse().ok_or_else(|| {
        FunctionError::argument(
            0,
            format!("`{given}` is not a network such as 10.0.0.0/16 or fd00::/8"),
        )
    })
}

/// The address without zeros before the digits of an octet, which Go reads as decimal.
fn decimal_octets(address: &str) -> String {
    if address.contains(':') {
        return address.to_owned();
    }
    let octet = |octet: &str| match octet.trim_start_matches('0') {
        "" if !octet.is_empty() => "0".to_owned(),
        digits => digits.to_owned(),
    };
    address.split('.').map(octet).collect::<Vec<_>>().join(".")
}

/// A whole number of up to 128 bits: its sign and what is left without it.
fn wide(args: &[Value], index: usize, name: &str) -> Result<(bool, u128), FunctionError> {
    let number = number(args, index)?;
    let digits = number.whole_digits(10).filter(|_| number.is_whole());
    let wide = digits.and_then(|digits| {
        let magnitude = digits.trim_start_matches('-').parse().ok()?;
        Some((digits.starts_with('-'), magnitude))
    });
    wide.ok_or_else(|| FunctionError::argument(index, format!("`{name}` must be a whole number")))
}

pub(super) fn cidrhost(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let network = network(args)?;
    let (negative, distance) = wide(args, 1, "hostnum")?;
    let highest = Network::highest(network.free_bits());
    // -1 is the last address.
    let host = if negative { highest.checked_sub(distance - 1) } else { Some(distance) };
    let host = host.filter(|host| *host <= highest).ok_or_else(|| {
        let problem = format!("a prefix of {} bits has no host of that number", network.prefix);
        FunctionError::argument(1, problem)
    })?;
    Ok(network.address(network.base | host).into())
}

pub(super) fn cidrnetmask(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let network = network(args)?;
    if network.width != 32 {
        return Err(FunctionError::argument(0, "only IPv4 networks have a netmask"));
    }
    let mask = Network::highest(32) & !Network::highest(network.free_bits());
    Ok(network.address(mask).into())
}

/// The length of a prefix that is longer by an argument.
fn longer(
    args: &[Value],
    index: usize,
    network: Network,
    least: u32,
) -> Result<u32, FunctionError> {
    let bits = whole(args, index, "newbits")?;
    let bits = u32::try_from(bits).ok().filter(|bits| (least..=network.free_bits()).contains(bits));
    bits.map(|bits| network.prefix + bits).ok_or_else(|| {
        let problem = format!(
            "`newbits` must be from {least} to {}: the prefix has {} of {} bits",
            network.free_bits(),
            network.prefix,
            network.width
        );
        FunctionError::argument(index, problem)
    })
}

pub(super) fn cidrsubnet(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let network = network(args)?;
    let prefix = longer(args, 1, network, 0)?;
    let (negative, number) = wide(args, 2, "netnum")?;
    let highest = Network::highest(prefix - network.prefix);
    let subnet =
        Some(number).filter(|number| !negative && *number <= highest).ok_or_else(|| {
            let problem =
                format!("{} more bits number subnets from 0 to {highest}", prefix - network.prefix);
            FunctionError::argument(2, problem)
        })?;
    let base = network.base | subnet.checked_shl(network.width - prefix).unwrap_or(0);
    Ok(format!("{}/{prefix}", network.address(base)).into())
}

pub(super) fn cidrsubnets(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    let network = network(args)?;
    let end = Network::highest(network.free_bits());
    // Where the next subnet may begin, from the start of the network.
    let mut next = Some(0_u128);
    let mut subnets = Vec::new();
    for index in 1..args.len() {
        let prefix = longer(args, index, network, 1)?;
        let last = Network::highest(network.width - prefix);
        let start = next.and_then(|next| Some(next.checked_add(last)? & !last));
        let start = start.filter(|start| start | last <= end).ok_or_else(|| {
            let problem = format!("there is no room left for a prefix of {prefix} bits");
            FunctionError::argument(index, problem)
        })?;
        subnets.push(Value::from(format!("{}/{prefix}", network.address(network.base | start))));
        next = (start | last).checked_add(1);
    }
    Ok(Value::list(Type::String, subnets))
}
