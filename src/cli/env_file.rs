//! The file `.env`: values for variables that the environment does not set.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::config::SettingError;

/// Sets the file's variables, unless the environment already does. A missing file is not an error.
///
/// Call it before the process starts a second thread: it writes to the environment.
pub fn load(path: &Path) -> Result<(), SettingError> {
    // A directory with this name is usually a Python virtual environment.
    if path.is_dir() {
        return Ok(());
    }
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(SettingError::new(format!(
                "{shown}: cannot be read: {error}"
            )));
        }
    };
    // Without a final newline, dotenvy considers a last value with trailing spaces unfinished.
    let text = text.trim_start_matches('\u{feff}').to_owned() + "\n";
    if let Some(line) = malformed_line(&text) {
        return Err(SettingError::new(format!(
            "{shown}: line {line} is not `NAME=value`; put a value with spaces, `#`, `$`, quotes or backslashes in \
             single quotes"
        )));
    }
    dotenvy::from_read(text.as_bytes())
        .map_err(|_| SettingError::new(format!("{shown}: cannot be read")))
}

/// The number of the first line that dotenvy cannot parse; its own error would show the line, including passwords.
fn malformed_line(text: &str) -> Option<usize> {
    let lines_read = Cell::new(0);
    let reader = LineByLine {
        rest: text.as_bytes(),
        lines_read: &lines_read,
    };
    let holds_nul = |value: &str| value.contains('\0');
    dotenvy::from_read_iter(reader).find_map(|entry| match entry {
        Ok((_, value)) => holds_nul(&value).then(|| lines_read.get()),
        // An entry may span several lines: report the first.
        Err(dotenvy::Error::LineParse(entry, _)) => {
            let more_lines = entry
                .strip_suffix('\n')
                .unwrap_or(&entry)
                .matches('\n')
                .count();
            Some(lines_read.get().saturating_sub(more_lines))
        }
        Err(_) => Some(lines_read.get()),
    })
}

/// Returns one line per read, and counts them.
struct LineByLine<'a> {
    rest: &'a [u8],
    lines_read: &'a Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = end
            .and_then(|end| self.rest.get(..=end))
            .unwrap_or(self.rest);
        let is_whole = end.is_some() && line.len() <= buffer.len();
        let length = (&mut &*line).read(buffer)?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        self.lines_read
            .set(self.lines_read.get() + usize::from(is_whole));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_malformed_line_is_named_by_its_number() {
        for (text, expected) in [
            ("", None),
            ("# nothing\n\nPORT=1\n", None),
            ("PORT=\n", None),
            ("PORT=9999   \n", None),
            ("PORT=9999 # a comment\r\n", None),
            ("export PORT=1\n", None),
            ("A='two\nlines'\nB=1\n", None),
            ("PORT=1\nPASSWORD s3cret\n", Some(2)),
            ("# a\n\nPASSWORD=two words\n", Some(3)),
            ("A='two\nlines'\n\nB=two words\nC=1\n", Some(4)),
            ("A=1\nPASSWORD='s3cret\nB=1\nC=1\n", Some(2)),
            ("A=1\n1A=1\n", Some(2)),
            ("A=1\nB=\0\n", Some(2)),
            ("A=1\nB='two\nlines' x\nC=1\n", Some(2)),
        ] {
            assert_eq!(malformed_line(text), expected, "{text:?}");
        }
        let long = format!("A={}\nB=two words\n", "x".repeat(100_000));
        assert_eq!(malformed_line(&long), Some(2));
    }

    #[test]
    fn passwords_in_quotes_stay_as_they_are() {
        for (written, meant) in [
            (r"'a$b#c d\e%@:/?&'", r"a$b#c d\e%@:/?&"),
            (r#"'say "x"'"#, r#"say "x""#),
            (r"'a$b#c'\''d\e'", r"a$b#c'd\e"),
            (r#""a\$b#c'd\\e\"f""#, r#"a$b#c'd\e"f"#),
            (r#""ends with \\""#, r"ends with \"),
        ] {
            let text = format!("PASSWORD={written}\nNEXT=1\n");
            let values: Result<Vec<_>, _> = dotenvy::from_read_iter(text.as_bytes()).collect();
            let expected = [("PASSWORD", meant), ("NEXT", "1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(values.expect(written), expected, "{written}");
        }
    }
}
