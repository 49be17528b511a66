//! PEM armour: a label, base64 in lines of 64 characters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The armoured text of `bytes`.
pub fn encode(label: &str, bytes: &[u8]) -> String {
    let mut body = String::new();
    for (index, character) in STANDARD.encode(bytes).chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            body.push('\n');
        }
        body.push(character);
    }
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// The bytes of the first block in `text` if that has this label; else what is wrong, in words that show
/// nothing of the content.
pub fn decode(label: &str, text: &str) -> Result<Vec<u8>, String> {
    let after = text
        .split_once("-----BEGIN ")
        .ok_or_else(|| format!("it is not PEM text; it must begin with `-----BEGIN {label}-----`"))?
        .1;
    let (found, body) =
        after.split_once("-----").ok_or_else(|| "its first line is broken".to_owned())?;
    if found != label {
        return Err(format!("it is a `{found}`, not a `{label}`"));
    }
    let (body, _) = body
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(|| format!("the line `-----END {label}-----` is missing"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| "the text between its BEGIN and END is not base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_reads_back_in_short_lines() {
        let bytes: Vec<u8> = (0..200).collect();
        let text = encode("A THING", &bytes);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(decode("A THING", &text).unwrap(), bytes);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(decode("A", "x").unwrap_err().contains("BEGIN A"));
        assert!(decode("A", &encode("B", b"x")).unwrap_err().contains("`B`"));
        assert!(
            decode("A", "-----BEGIN A-----\n!!\n-----END A-----").unwrap_err().contains("base64")
        );
        assert!(decode("A", "-----BEGIN A-----\neA==\n").unwrap_err().contains("END A"));
    }
}
