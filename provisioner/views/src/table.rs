//! Text in columns, as wide as their content.

use crate::console::Palette;

/// Lays out rows under headings, two spaces between columns, nothing behind the last one. A column in which every
/// cell is empty is left out.
pub fn render(headings: &[&str], rows: &[Vec<String>], indent: &str) -> String {
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let shown: Vec<usize> = (0..headings.len())
        .filter(|&column| rows.iter().any(|row| !cell(row, column).is_empty()))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| cell(row, column).chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = shown.iter().map(|&column| width(column)).collect();
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = indent.to_owned();
        for (&column, width) in shown.iter().zip(&widths) {
            push!(line, "{:width$}  ", cell(row, column));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A table with its headings dimmed.
pub fn headed(table: &str, palette: Palette) -> String {
    match table.split_once('\n') {
        Some((heading, rest)) => format!("{}\n{rest}", palette.dim(heading)),
        None => table.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_and_empty_ones_go() {
        let rows = vec![
            vec!["a".to_owned(), String::new(), "1".to_owned()],
            vec!["long".to_owned(), String::new(), "2".to_owned()],
        ];
        let text = super::render(&["NAME", "EMPTY", "N"], &rows, "");
        assert_eq!(text, "NAME  N\na     1\nlong  2\n");
    }
}
