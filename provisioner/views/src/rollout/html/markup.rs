//! Small pieces of HTML: escaped text, facts, tables.
//!
//! Invariant: whatever is given as text cannot become markup; cells that are markup already are made here.
//! Refuses to know: what is shown.

/// A text as content or as a quoted attribute. Control characters, which no HTML may hold, become `�`.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(' '),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Names and values.
pub fn facts(rows: &[(&str, String)]) -> String {
    let mut text = "<dl class=\"facts\">\n".to_owned();
    for (name, value) in rows {
        push!(text, "<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value));
    }
    text.push_str("</dl>\n");
    text
}

/// A cell of a table: a text, and the class that it is painted by.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    class: &'static str,
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), class: "" }
    }

    /// A text with a class of the style sheet.
    pub fn of(text: impl Into<String>, class: &'static str) -> Self {
        Self { text: text.into(), class }
    }
}

/// A table that scrolls where it does not fit.
pub fn table(label: &str, headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut text = format!("<table>\n<caption>{}</caption>\n<thead><tr>", escaped(label));
    for heading in headings {
        push!(text, "<th scope=\"col\">{}</th>", escaped(heading));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let content = escaped(&cell.text);
            let content = match cell.class {
                "" => content,
                class => format!("<span class=\"badge {class}\">{content}</span>"),
            };
            let tag = if column == 0 { "th scope=\"row\"" } else { "td" };
            let end = if column == 0 { "th" } else { "td" };
            push!(text, "<{tag}>{content}</{end}>");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n");
    scrolled(&text, label)
}

/// A table behind a summary, which a reader opens.
pub fn hidden_table(summary: &str, headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let inner = table(summary, headings, rows);
    format!("<details>\n<summary>{}</summary>\n{inner}</details>\n", escaped(summary))
}

/// What may be wider than the page, in a region of its own that scrolls and can be reached by keyboard.
pub fn scrolled(inner: &str, label: &str) -> String {
    let label = escaped(label);
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\">\n{inner}</div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let evil = "<b a=\"1\" b='2'>&\0\u{1b}[31m\nx";
        assert_eq!(
            escaped(evil),
            "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;\u{fffd}\u{fffd}[31m x"
        );
        for text in
            [facts(&[("a", evil.to_owned())]), table(evil, &[evil], &[vec![Cell::text(evil)]])]
        {
            assert!(!text.contains("<b"), "{text}");
        }
    }
}
