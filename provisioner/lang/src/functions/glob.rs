//! Patterns for paths: `*` and `?` within one name, `**` across names, `[a-z]`, `{a,b}`, `\` to quote.

/// Whether the whole `path` fits the pattern.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    alternatives(pattern).iter().any(|pattern| {
        let pattern: Vec<char> = pattern.chars().collect();
        fits(&pattern, &path)
    })
}

/// The pattern with its first `{a,b}` written out, and so on; at most so many and so long ones, so that it ends.
fn alternatives(pattern: &str) -> Vec<String> {
    const MOST: usize = 1000;
    const MOST_BYTES: usize = 1 << 20;
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        let braces = pattern.find('{').and_then(|start| {
            let end = start + pattern[start..].find('}')?;
            Some((start, end))
        });
        match braces {
            Some((start, end))
                if done.len() + open.len() < MOST
                    && (done.len() + open.len()) * pattern.len() < MOST_BYTES =>
            {
                for choice in pattern[start + 1..end].split(',') {
                    open.push(format!("{}{choice}{}", &pattern[..start], &pattern[end + 1..]));
                }
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// Goes through the pattern once, with all places in the path that what was read of it can lead to: the time is at most the
/// product of both lengths, however many stars there are.
fn fits(mut pattern: &[char], path: &[char]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    loop {
        let places = &mut reached[..];
        pattern = match pattern {
            [] => return reached[path.len()],
            ['*', '*', '/', rest @ ..] => spread(places, path, |_| true, |c| c == '/', rest),
            ['*', '*', rest @ ..] => spread(places, path, |_| true, |_| true, rest),
            ['*', rest @ ..] => spread(places, path, |c| c != '/', |_| true, rest),
            ['?', rest @ ..] => step(places, path, |c| c != '/', rest),
            ['[', rest @ ..] => {
                let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
                step(places, path, |c| in_class(&rest[..end], c), &rest[end + 1..])
            }
            ['\\', quoted, rest @ ..] => step(places, path, |c| c == *quoted, rest),
            [literal, rest @ ..] => step(places, path, |c| c == *literal, rest),
        };
    }
}

/// Stars: from each place that is reached on over what they pass, and to rest behind what they may end with.
fn spread<'p>(
    reached: &mut [bool],
    path: &[char],
    passes: impl Fn(char) -> bool,
    ends: impl Fn(char) -> bool,
    rest: &'p [char],
) -> &'p [char] {
    let mut on_the_way = reached[0];
    for (at, c) in path.iter().enumerate() {
        on_the_way &= passes(*c);
        let was_reached = reached[at + 1];
        reached[at + 1] |= on_the_way && ends(*c);
        on_the_way |= was_reached;
    }
    rest
}

/// One character.
fn step<'p>(
    reached: &mut [bool],
    path: &[char],
    fits: impl Fn(char) -> bool,
    rest: &'p [char],
) -> &'p [char] {
    for (at, c) in path.iter().enumerate().rev() {
        reached[at + 1] = reached[at] && fits(*c);
    }
    reached[0] = false;
    rest
}

fn in_class(class: &[char], c: char) -> bool {
    let (negated, mut rest) = match class {
        ['^' | '!', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    while let [first, after @ ..] = rest {
        rest = after;
        let last = match after {
            ['-', last, behind @ ..] => {
                rest = behind;
                last
            }
            _ => first,
        };
        found |= (*first..=*last).contains(&c);
    }
    found != negated && c != '/'
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_whole_paths() {
        for (pattern, path, fits) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("**/*.txt", "a.txt", true),
            ("**/*.txt", "d/e/a.txt", true),
            ("d/**", "d/e/a.txt", true),
            ("h?llo.{txt,md}", "hello.md", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("**", "d/e/a.txt", true),
            ("d/**/a.txt", "d/a.txt", true),
            ("d/**/a.txt", "da.txt", false),
            ("**/e/*", "d/e/a.txt", true),
            ("*/*", "d/e/a.txt", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**x/y", "wx/y", true),
            ("[a", "a", false),
            ("", "", true),
            ("*", "", true),
            ("\\*", "*", true),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }

    /// Found by fuzzing: each star tried every place that the ones before it left.
    #[test]
    fn many_stars_take_no_longer_than_few() {
        let stars = "*".repeat(2000);
        assert!(!matches(&format!("{stars}.*/t*x"), &"t".repeat(300)));
        assert!(matches(&format!("{}x", "*/".repeat(50)), &format!("{}x", "d/".repeat(50))));
    }
}
