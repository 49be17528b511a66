//! What is wrong with the arguments of a machine, said before any call.

use super::{IPV6, IPV6_COUNT};
use crate::arguments::Given;
use crate::compute::disk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of user data at most, before they are encoded.
const USER_DATA: usize = 16 * 1_024;

type Problem = (&'static str, String);

/// All of them.
pub(super) fn problems(given: Given<'_>) -> Vec<Problem> {
    let mut problems = needed(given);
    problems.extend(user_data(given));
    problems.extend(disks(given));
    problems.extend(blocks(given));
    problems.extend(given.word("tenancy", &["default", "dedicated", "host"]));
    problems.extend(given.word("instance_initiated_shutdown_behavior", &["stop", "terminate"]));
    if let Some(text) = given.text("private_ip").filter(|it| it.parse::<Ipv4Addr>().is_err()) {
        problems.push(("private_ip", format!("`{text}` is no IPv4 address")));
    }
    problems.extend(ipv6(given));
    if given.number("placement_partition_number").is_some() && given.is_left_out("placement_group")
    {
        let problem = "a partition is one of a placement group: give `placement_group`, too";
        problems.push(("placement_partition_number", problem.to_owned()));
    }
    problems
}

/// What must be there unless a launch template has it.
fn needed(given: Given<'_>) -> Vec<Problem> {
    let is_from_template = match given.0.get("launch_template") {
        Some(template) => template.is_unknown() || !given.blocks("launch_template").is_empty(),
        None => false,
    };
    if is_from_template {
        return Vec::new();
    }
    ["ami", "instance_type"]
        .into_iter()
        .filter(|name| given.is_left_out(name))
        .map(|name| (name, "it must be given, here or in a launch template".to_owned()))
        .collect()
}

fn ipv6(given: Given<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !given.is_left_out(IPV6) && !given.is_left_out(IPV6_COUNT) {
        problems.push((IPV6, format!("give either it or `{IPV6_COUNT}`")));
    }
    if let Some(count) = given.number(IPV6_COUNT).filter(|count| *count < 0) {
        problems.push((IPV6_COUNT, format!("it is {count}; it is a number from 0 on")));
    }
    let mut known = BTreeSet::new();
    for text in given.texts(IPV6).unwrap_or_default() {
        match text.parse::<Ipv6Addr>() {
            Err(_) => problems.push((IPV6, format!("`{text}` is no IPv6 address"))),
            Ok(address) if !known.insert(address) => {
                problems.push((IPV6, format!("`{text}` is there twice")));
            }
            Ok(_) => {}
        }
    }
    problems
}

fn user_data(given: Given<'_>) -> Vec<Problem> {
    let (text, encoded) = (given.text("user_data"), given.text("user_data_base64"));
    let mut problems = Vec::new();
    if text.is_some() && encoded.is_some() {
        problems.push(("user_data_base64", "give either it or `user_data`".to_owned()));
    }
    let long = |bytes: usize| format!("it has {bytes} bytes; {USER_DATA} is the most");
    if let Some(bytes) = text.map(|text| text.len()).filter(|bytes| *bytes > USER_DATA) {
        problems.push(("user_data", long(bytes)));
    }
    match encoded.map(|encoded| STANDARD.decode(encoded)) {
        Some(Err(_)) => problems
            .push(("user_data_base64", "it is not Base64; give text as `user_data`".to_owned())),
        Some(Ok(bytes)) if bytes.len() > USER_DATA => {
            problems.push(("user_data_base64", long(bytes.len())));
        }
        _ => {}
    }
    problems
}

fn disks(given: Given<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for argument in ["root_block_device", "ebs_block_device"] {
        for block in given.blocks(argument) {
            let block = Given(&block);
            problems.extend(disk::problems(block).into_iter().map(|it| (argument, it)));
            if let Some(name) = block.text("device_name").filter(|it| !names.insert(it.clone())) {
                problems.push((argument, format!("there are two for the device `{name}`")));
            }
        }
    }
    problems
}

fn blocks(given: Given<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut word = |argument: &'static str, block: Given<'_>, field, words: &[&str]| {
        problems.extend(
            block.word(field, words).map(|(field, it)| (argument, format!("`{field}`: {it}"))),
        );
    };
    for block in given.blocks("metadata_options") {
        let block = Given(&block);
        word("metadata_options", block, "http_endpoint", &["enabled", "disabled"]);
        word("metadata_options", block, "http_tokens", &["optional", "required"]);
        word("metadata_options", block, "http_protocol_ipv6", &["enabled", "disabled"]);
        word("metadata_options", block, "instance_metadata_tags", &["enabled", "disabled"]);
    }
    for block in given.blocks("credit_specification") {
        word("credit_specification", Given(&block), "cpu_credits", &["standard", "unlimited"]);
    }
    for block in given.blocks("instance_market_options") {
        let block = Given(&block);
        word("instance_market_options", block, "market_type", &["spot"]);
        for spot in block.blocks("spot_options") {
            let spot = Given(&spot);
            let behaviours = ["hibernate", "stop", "terminate"];
            word(
                "instance_market_options",
                spot,
                "spot_instance_type",
                &["one-time", "persistent"],
            );
            word("instance_market_options", spot, "instance_interruption_behavior", &behaviours);
        }
    }
    for block in given.blocks("metadata_options") {
        let hops = Given(&block).number("http_put_response_hop_limit");
        if let Some(hops) = hops.filter(|hops| !(1..=64).contains(hops)) {
            let problem = format!("`http_put_response_hop_limit` is {hops}; it is from 1 to 64");
            problems.push(("metadata_options", problem));
        }
    }
    for block in given.blocks("launch_template") {
        let block = Given(&block);
        let is_given = ["id", "name"].map(|name| !block.is_left_out(name));
        if is_given == [true, true] || is_given == [false, false] {
            problems.push(("launch_template", "it needs `id` or `name`, not both".to_owned()));
        }
    }
    problems
}
