//! "Did you mean": the nearest of the texts there are.

/// The nearest text, if one is near: at most a quarter of the wrong one differs.
pub(crate) fn nearest<'t>(wrong: &str, texts: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let limit = wrong.chars().count().div_ceil(4);
    let distances = texts.map(|text| (distance(wrong, text), text));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, text)| text)
}

/// How many characters must be inserted, removed or replaced.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.chars().enumerate() {
        let mut diagonal = row;
        last[0] = row + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = last[column + 1];
            last[column + 1] = replaced.min(diagonal + 1).min(last[column] + 1);
        }
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_texts_are_suggested() {
        let texts = ["module.mesh", "module.network"];
        assert_eq!(nearest("module.mseh", texts.into_iter()), Some("module.mesh"));
        assert_eq!(nearest("service.nebula", texts.into_iter()), None);
        assert_eq!((distance("abc", "axcd"), distance("", "ab"), distance("ab", "")), (2, 2, 2));
    }
}
