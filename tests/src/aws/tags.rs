//! DescribeTags as Amazon answers it: by its names of resource types, with the tags of what moto does not have; and pages, which
//! moto gives for few descriptions.
//!
//! Refuses to know: who has a tag.

use super::call::Call;
use super::xml::Element;

/// Resource types that moto tells by other names than Amazon.
const RENAMED: [(&str, &str); 2] =
    [("nat-gateway", "natgateway"), ("vpc-elastic-ip", "elastic-ip")];
/// Descriptions whose pages are made here, and the set that their items are in.
const PAGED: [(&str, &str); 2] = [("DescribeTags", "tagSet"), ("DescribeVolumes", "volumeSet")];
/// Items of a page at most.
const PAGE: usize = 1_000;
/// What a place to go on from begins with.
const NEXT: &str = "page-from-";

/// The question in moto's names.
pub(super) fn asked(call: Call) -> Call {
    let Some((without, types)) = call.without_filter("resource-type") else { return call };
    let motos = |name: String| {
        let renamed = RENAMED.iter().find(|(_, amazons)| *amazons == name);
        renamed.map_or(name.clone(), |(motos, _)| (*motos).to_owned())
    };
    let mut filters: Vec<(String, Vec<String>)> = without
        .filters()
        .into_iter()
        .map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()))
        .collect();
    filters.push(("resource-type".to_owned(), types.into_iter().map(motos).collect()));
    without.with_filters(&filters)
}

/// The answer in Amazon's names.
pub(super) fn told(answer: &mut Element) {
    answer.each_mut(&mut |element| {
        let renamed = RENAMED.iter().find(|(name, _)| element.text == *name);
        if let Some((_, amazons)) = renamed.filter(|_| element.name == "resourceType") {
            (*amazons).clone_into(&mut element.text);
        }
    });
}

/// Whether filters of DescribeTags let a tag through.
pub(super) fn fits(call: &Call, ty: &str, id: &str, key: &str, value: &str) -> bool {
    call.filters().into_iter().all(|(filter, values)| match filter {
        "resource-type" => values.contains(&ty),
        "resource-id" => values.contains(&id),
        "key" => values.contains(&key),
        "value" => values.contains(&value),
        _ => filter.strip_prefix("tag:").is_some_and(|it| it == key && values.contains(&value)),
    })
}

/// Leaves the page that was asked for, and says where the next one begins.
pub(super) fn page(call: &Call, answer: &mut Element) {
    let Some((_, set)) = PAGED.iter().find(|(operation, _)| *operation == call.operation) else {
        return;
    };
    let most = call.parameter("MaxResults").and_then(|most| most.parse().ok());
    if most.is_none() && call.operation != "DescribeTags" {
        return;
    }
    let most = most.unwrap_or(PAGE).min(PAGE);
    let next = call.parameter("NextToken").and_then(|token| token.strip_prefix(NEXT));
    let from: usize = next.and_then(|from| from.parse().ok()).unwrap_or_default();
    let Some(items) = answer.at_mut(set).map(|set| &mut set.children) else { return };
    let is_last = items.len() <= from + most;
    *items = items.drain(..).skip(from).take(most).collect();
    if !is_last {
        answer.set("nextToken", &format!("{NEXT}{}", from + most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::http::pairs;

    fn call(form: &str) -> Call {
        Call {
            service: "ec2".to_owned(),
            region: "eu-central-1".to_owned(),
            operation: "DescribeTags".to_owned(),
            parameters: pairs(form).into_iter().collect(),
        }
    }

    #[test]
    fn pages_are_followed_to_the_last() {
        let items: Vec<_> = (0..12).map(|n| format!("<item><key>{n}</key></item>")).collect();
        let items = items.concat();
        let document = format!("<R><tagSet>{items}</tagSet></R>");
        let (mut lengths, mut next) = (Vec::new(), String::new());
        loop {
            let mut answer = Element::parse(&document).unwrap();
            page(&call(&format!("MaxResults=5{next}")), &mut answer);
            lengths.push(answer.at("tagSet").unwrap().children.len());
            let Some(token) = answer.at("nextToken") else { break };
            next = format!("&NextToken={}", token.text);
        }
        assert_eq!(lengths, [5, 5, 2]);
    }

    #[test]
    fn types_have_amazons_names() {
        let asked = asked(call("Filter.1.Name=resource-type&Filter.1.Value.1=natgateway"));
        assert_eq!(asked.filters(), [("resource-type", vec!["nat-gateway"])]);
        let text =
            "<R><tagSet><item><resourceType>vpc-elastic-ip</resourceType></item></tagSet></R>";
        let mut answer = Element::parse(text).unwrap();
        told(&mut answer);
        assert_eq!(answer.text_at("tagSet/item/resourceType"), "elastic-ip");
    }
}
