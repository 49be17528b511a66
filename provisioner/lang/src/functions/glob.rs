//! Patterns for paths: `*` and `?` within one name, `**` across names, `[a-z]`, `{a,b}`, `\` to quote.

/// Whether the whole `path` fits the pattern.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    alternatives(pattern).iter().any(|pattern| {
        let pattern: Vec<char> = pattern.chars().collect();
        fits(&pattern, &path)
    })
}

/// The pattern with its first `{a,b}` written out, and so on; at most so many, so that it ends.
fn alternatives(pattern: &str) -> Vec<String> {
    const MOST: usize = 1000;
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        let braces = pattern.find('{').and_then(|start| {
            let end = start + pattern[start..].find('}')?;
            Some((start, end))
        });
        match braces {
            Some((start, end)) if done.len() + open.len() < MOST => {
                for choice in pattern[start + 1..end].split(',') {
                    open.push(format!("{}{choice}{}", &pattern[..start], &pattern[end + 1..]));
                }
            }
            _ => done.push(pattern),
        }
    }
    done
}

fn fits(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*', '/', rest @ ..] => {
            let below = path.iter().enumerate().filter(|(_, c)| **c == '/').map(|(at, _)| at + 1);
            std::iter::once(0).chain(below).any(|at| fits(rest, &path[at..]))
        }
        ['*', '*', rest @ ..] => (0..=path.len()).any(|at| fits(rest, &path[at..])),
        ['*', rest @ ..] => {
            let end = path.iter().position(|c| *c == '/').unwrap_or(path.len());
            (0..=end).any(|at| fits(rest, &path[at..]))
        }
        ['?', rest @ ..] => matches!(path, [c, after @ ..] if *c != '/' && fits(rest, after)),
        ['[', rest @ ..] => match (rest.iter().position(|c| *c == ']'), path) {
            (Some(end), [c, after @ ..]) => {
                in_class(&rest[..end], *c) && fits(&rest[end + 1..], after)
            }
            _ => false,
        },
        ['\\', quoted, rest @ ..] => {
            matches!(path, [c, after @ ..] if c == quoted && fits(rest, after))
        }
        [literal, rest @ ..] => {
            matches!(path, [c, after @ ..] if c == literal && fits(rest, after))
        }
    }
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
            ("\\*", "*", true),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }
}
