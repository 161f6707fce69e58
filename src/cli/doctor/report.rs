//! The findings, one line each.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// As it should be.
    Ok,
    /// It works, but should be reviewed.
    Warning,
    /// It does not work, or is insecure.
    Wrong,
}

/// The result of one check, and the fix.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    level: Level,
    area: &'static str,
    what: String,
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(area: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Ok, area, what.into())
    }

    pub(super) fn warning(area: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Warning, area, what.into())
    }

    pub(super) fn wrong(area: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Wrong, area, what.into())
    }

    /// Adds a fix, unless the finding already describes it.
    pub(super) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn new(level: Level, area: &'static str, what: String) -> Self {
        Self {
            level,
            area,
            what,
            remedy: None,
        }
    }
}

impl fmt::Display for Finding {
    /// One line, whatever text a server sent.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Wrong => "wrong",
        };
        let mut line = format!("{level:<7} {}: {}", self.area, self.what);
        if let Some(remedy) = &self.remedy {
            line = format!("{line} → {remedy}");
        }
        formatter.write_str(&line.replace(char::is_control, " "))
    }
}

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    pub(super) fn wrong(&self) -> usize {
        self.count(Level::Wrong)
    }

    /// A line for each finding, and a summary.
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        lines.push(match (self.wrong(), self.count(Level::Warning)) {
            (0, 0) => "everything is in order".to_owned(),
            (0, 1) => "nothing is wrong; one thing to look at".to_owned(),
            (0, warnings) => format!("nothing is wrong; {warnings} things to look at"),
            (wrong, warnings) => format!("{wrong} wrong, {warnings} to look at"),
        });
        lines.join("\n") + "\n"
    }

    fn count(&self, level: Level) -> usize {
        let findings = self.0.iter();
        findings.filter(|finding| finding.level == level).count()
    }
}
