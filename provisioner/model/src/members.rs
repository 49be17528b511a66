//! Many addresses as one short text, so that objects made by one call can carry the addresses of all of them.
//!
//! What all addresses begin and end with is written once, with the parts between in braces: numbers that follow each
//! other as a range, anything else by itself. `aws_instance.web[{0-99}]`, `aws_instance.web["{blue,green}"]`,
//! `module.web["eu-{001-020}"].aws_instance.this`. Invariant: [`member`] gives back, for every index, the address that
//! [`members`] was given there.

use crate::address::Address;

/// The addresses as one text; none where their parts have characters that the text needs for itself, or where it would
/// be longer than `most` bytes.
pub fn members(addresses: &[Address], most: usize) -> Option<String> {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let first = texts.first()?;
    if texts.iter().any(|text| text.contains(['{', '}'])) {
        return None;
    }
    let (prefix, suffix) = common(&texts);
    let part = |text: &String| text[prefix..text.len() - suffix].to_owned();
    let parts: Vec<String> = texts.iter().map(part).collect();
    let is_plain = |part: &String| !part.contains([',', '-']) && !part.is_empty();
    let written = if parts.len() == 1 {
        first.clone()
    } else if parts.iter().all(is_plain) {
        let (before, after) = (&first[..prefix], &first[first.len() - suffix..]);
        format!("{before}{{{}}}{after}", ranges(&parts))
    } else {
        return None;
    };
    (written.len() <= most).then_some(written)
}

/// The address at an index of a text that [`members`] made.
pub fn member(members: &str, index: u32) -> Option<Address> {
    let Some((before, rest)) = members.split_once('{') else {
        return (index == 0).then(|| Address::parse(members).ok()).flatten();
    };
    let (between, after) = rest.split_once('}')?;
    let mut left = u64::from(index);
    for item in between.split(',') {
        let range = item.split_once('-').and_then(|(first, last)| {
            Some((first, first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))
        });
        let (count, part) = match range {
            None => (1, item.to_owned()),
            Some((text, first, last)) => {
                let number = first.checked_add(left)?;
                (
                    last.checked_sub(first)?.checked_add(1)?,
                    format!("{number:0width$}", width = text.len()),
                )
            }
        };
        if left < count {
            return Address::parse(&format!("{before}{part}{after}")).ok();
        }
        left -= count;
    }
    None
}

/// How many bytes all texts begin with and end with alike, without cutting a number in two.
fn common(texts: &[String]) -> (usize, usize) {
    let first = &texts[0];
    let is_digit = |text: &str, at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let alike = |text: &String| {
        let both = first.char_indices().zip(text.chars());
        let differs = both.clone().find(|((_, one), other)| one != other);
        differs.map_or(first.len().min(text.len()), |((at, _), _)| at)
    };
    let mut prefix = texts.iter().map(alike).min().unwrap_or(0);
    while prefix > 0 && is_digit(first, prefix - 1) {
        prefix -= 1;
    }
    let alike = |text: &String| {
        let both = first.chars().rev().zip(text.chars().rev());
        both.take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum::<usize>()
    };
    let shortest = texts.iter().map(String::len).min().unwrap_or(0);
    let mut suffix = texts.iter().map(alike).min().unwrap_or(0).min(shortest - prefix);
    while suffix > 0 && is_digit(first, first.len() - suffix) {
        suffix -= 1;
    }
    (prefix, suffix)
}

/// Parts with commas between, and numbers of one width that follow each other as ranges.
fn ranges(parts: &[String]) -> String {
    let mut written: Vec<(String, String)> = Vec::new();
    for part in parts {
        match written.last_mut() {
            Some((_, last)) if follows(last, part) => last.clone_from(part),
            _ => written.push((part.clone(), part.clone())),
        }
    }
    let one = |(first, last): (String, String)| {
        if first == last { first } else { format!("{first}-{last}") }
    };
    written.into_iter().map(one).collect::<Vec<_>>().join(",")
}

/// Whether a number is the next after another, and written so that a range gives it back.
fn follows(last: &str, next: &str) -> bool {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (Some(one), Some(other)) = (number(last), number(next)) else { return false };
    let is_padded = |text: &str| text.len() > 1 && text.starts_with('0');
    let same_form = last.len() == next.len() || !(is_padded(last) || is_padded(next));
    one.checked_add(1) == Some(other) && same_form
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[String]) -> Vec<Address> {
        texts.iter().map(|text| Address::parse(text).unwrap()).collect()
    }

    fn given_back(texts: &[String]) -> String {
        let all = addresses(texts);
        let written = members(&all, 256).unwrap();
        for (index, address) in all.iter().enumerate() {
            assert_eq!(
                member(&written, u32::try_from(index).unwrap()).as_ref(),
                Some(address),
                "{written}"
            );
        }
        assert_eq!(member(&written, u32::try_from(all.len()).unwrap()), None);
        written
    }

    #[test]
    fn numbers_are_ranges() {
        let plain: Vec<_> = (0..1_000).map(|index| format!("aws_instance.web[{index}]")).collect();
        assert_eq!(given_back(&plain), "aws_instance.web[{0-999}]");
        let padded =
            |index| format!("node_set.edge.node[\"edge-eu-{index:03}\"].aws_instance.this");
        assert_eq!(
            given_back(&(1..=20).chain([33]).map(padded).collect::<Vec<_>>()),
            "node_set.edge.node[\"edge-eu-{001-020,033}\"].aws_instance.this"
        );
    }

    #[test]
    fn names_stand_by_themselves() {
        let names = ["blue", "green", "10"].map(|name| format!("aws_instance.web[\"{name}\"]"));
        assert_eq!(given_back(&names), "aws_instance.web[\"{blue,green,10}\"]");
        let widths = [9, 10, 11].map(|index| format!("aws_instance.web[\"v{index:02}\"]"));
        assert_eq!(given_back(&widths), "aws_instance.web[\"v{09-11}\"]");
        let one = vec!["aws_instance.web".to_owned()];
        assert_eq!(given_back(&one), "aws_instance.web");
    }

    #[test]
    fn what_cannot_be_written_is_not() {
        let dashes = ["eu-1", "us-west"].map(|name| format!("aws_instance.web[\"{name}\"]"));
        assert_eq!(members(&addresses(&dashes), 256), None);
        let odd: Vec<_> =
            (0..200).map(|index| format!("aws_instance.web[{}]", index * 2)).collect();
        assert_eq!(members(&addresses(&odd), 256), None);
        let nested = ["aws_instance.a", "aws_instance.a[0]"].map(str::to_owned);
        assert_eq!(members(&addresses(&nested), 256), None);
    }
}
