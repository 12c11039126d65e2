//! What a bench found: figures, ratios and targets, as aligned text or as a table of a document.

use std::fmt::Write as _;

/// The bound that a ratio is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Target {
    fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= bound,
            Self::AtLeast(bound) => ratio >= bound,
        }
    }

    fn bound(self) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {bound}"),
            Self::AtLeast(bound) => format!("at least {bound}"),
        }
    }
}

/// A figure beside another one.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    /// This figure divided by the other, or the other way round where more is better.
    pub(crate) value: f64,
    /// The line that it is compared with.
    pub(crate) against: &'static str,
    /// What it should be, where anything was promised.
    pub(crate) target: Option<Target>,
}

/// One line: what was measured, the figure with its unit, and what it is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: String,
    /// Figures with their units.
    pub(crate) figure: String,
    /// Beside another line.
    pub(crate) ratio: Option<Ratio>,
}

impl Line {
    /// A line without a ratio.
    pub(crate) fn new(what: impl Into<String>, figure: impl Into<String>) -> Self {
        Self { what: what.into(), figure: figure.into(), ratio: None }
    }

    /// The same line with its ratio to another one.
    pub(crate) fn beside(mut self, against: &'static str, value: f64, target: Option<Target>) -> Self {
        self.ratio = Some(Ratio { value, against, target });
        self
    }

    fn cells(&self) -> [String; 5] {
        let (ratio, target, met) = match &self.ratio {
            None => Default::default(),
            Some(Ratio { value, against, target }) => (
                format!("{value:.3} of {against}"),
                target.map(Target::bound).unwrap_or_default(),
                target.map(|target| if target.is_met_by(*value) { "met" } else { "not met" }.to_owned()),
            ),
        };
        [self.what.clone(), self.figure.clone(), ratio, target, met.unwrap_or_default()]
    }
}

/// What one bench found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The bench's name and what it measures, in one line.
    pub(crate) title: String,
    /// How it was measured: what a reader must know to believe the figures.
    pub(crate) notes: Vec<String>,
    /// The figures.
    pub(crate) lines: Vec<Line>,
}

const HEADINGS: [&str; 5] = ["", "figure", "ratio", "target", ""];

impl Report {
    /// Aligned columns for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        let rows: Vec<_> =
            std::iter::once(HEADINGS.map(str::to_owned)).chain(self.lines.iter().map(Line::cells)).collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            let cells: Vec<_> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
        }
        text
    }

    /// A section of a Markdown document.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text.push_str("\n| what | figure | ratio | target | |\n|---|---|---|---|---|\n");
        for line in &self.lines {
            let _ = writeln!(text, "| {} |", line.cells().join(" | "));
        }
        text
    }
}
