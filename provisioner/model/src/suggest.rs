//! "Did you mean": the nearest of the names there are.

/// A hint with the nearest name, if one is near.
pub fn did_you_mean<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest(wrong, names).map(|name| format!("did you mean `{name}`?"))
}

/// The nearest name, if one is near: at most a third of it differs, and something is the same.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = wrong.chars().count().div_ceil(3).min(wrong.chars().count().saturating_sub(1));
    let distances =
        names.into_iter().filter(|name| *name != wrong).map(|name| (distance(wrong, name), name));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<_>, Vec<_>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let replaced = last[j] + usize::from(l != r);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["upper", "lower", "length"];
        assert_eq!(did_you_mean("uper", names).unwrap(), "did you mean `upper`?");
        assert_eq!(nearest("lenght", names), Some("length"));
        assert_eq!(nearest("jsonencode", names), None);
        assert_eq!(distance("abc", "acb"), 1);
    }
}
