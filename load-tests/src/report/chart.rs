//! Horizontal bars as SVG: medians, ranges, repeats and goals on one labelled axis. Colours are
//! classes, so that light and dark come from the reader's preference.

use std::fmt::{self, Write as _};

use crate::measure::{Spread, ThreeDigits};
use crate::peer::Kind;

/// The style of every chart, once per page or within a picture that stands alone.
pub(super) const STYLE: &str = "\
.chart{--ink:#1c2430;--soft:#667085;--line:#e4e7ec;--paper:#ffffff;--goal:#d9480f;\
--router:#2f5bea;--haproxy:#98a2b3;--nginx:#5aa784;--caddy:#c2973d;--direct:#c9ced8}\
@media(prefers-color-scheme:dark){.chart{--ink:#e6e9ef;--soft:#98a2b3;--line:#2c3442;\
--paper:#12161d;--goal:#ff8f57;--router:#7c9dff;--haproxy:#6b7689;--nginx:#4c9a78;--caddy:#a07a2c;--direct:#475063}}\
.chart text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink)}\
.chart .title{font-size:15px;font-weight:600}\
.chart .soft,.chart .tick{fill:var(--soft);font-size:11px}\
.chart .value{font-weight:600;font-variant-numeric:tabular-nums}\
.chart .grid{stroke:var(--line)}.chart .reference{stroke:var(--soft)}\
.chart .goal{stroke:var(--goal);stroke-width:2;stroke-dasharray:3 2}\
.chart .goal-text{fill:var(--goal);font-size:11px}\
.chart .range{stroke:var(--ink);stroke-opacity:.55}\
.chart .beyond{fill:none;stroke:var(--paper);stroke-width:2}\
.chart .repeat{fill:var(--paper);stroke:var(--ink);stroke-opacity:.7}\
.chart .router{fill:var(--router)}.chart .haproxy{fill:var(--haproxy)}\
.chart .nginx{fill:var(--nginx)}.chart .caddy{fill:var(--caddy)}.chart .direct{fill:var(--direct)}";

const WIDTH: f64 = 860.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 110.0;
/// Above the rows: the title alone, or the title and a legend.
const TITLE: f64 = 42.0;
const LEGEND: f64 = 62.0;
const ROW: f64 = 30.0;
const BAR: f64 = 16.0;
const BOTTOM: f64 = 30.0;

/// A chart before it is drawn.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What the axis counts.
    pub(super) axis: String,
    /// A value that all rows are compared with, and its name.
    pub(super) reference: Option<(f64, String)>,
    /// Where the axis ends at the latest; a bar that would go further ends in an arrow.
    pub(super) cap: Option<f64>,
    pub(super) rows: Vec<Row>,
}

/// One bar.
#[derive(Debug)]
pub(super) struct Row {
    /// What the bar is; empty when it continues the row above.
    pub(super) label: String,
    /// A second, smaller line under the label.
    pub(super) note: Option<String>,
    pub(super) peer: Kind,
    pub(super) spread: Spread,
    /// Each repeat as a dot; none where only the range is shown.
    pub(super) repeats: Vec<f64>,
    /// The largest value that meets the goal.
    pub(super) goal: Option<f64>,
    /// The value in words, right of the axis.
    pub(super) text: String,
}

impl Chart {
    /// As a picture of its own, with style and background.
    pub(super) fn standalone(&self) -> String {
        let style = format!("<style>{STYLE}.chart .paper{{fill:var(--paper)}}</style>");
        self.draw(&format!(
            "{style}<rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"8\"/>"
        ))
    }

    /// As a part of a page that brings the style.
    pub(super) fn inline(&self) -> String {
        self.draw("")
    }

    fn draw(&self, before: &str) -> String {
        let mut svg = String::new();
        // Writing to a string cannot fail.
        self.write(&mut svg, before).ok();
        svg
    }

    fn write(&self, svg: &mut String, before: &str) -> fmt::Result {
        let axis = Axis::over(self.largest());
        let top = if self.has_legend() { LEGEND } else { TITLE };
        let bottom = top + ROW * self.rows.len() as f64;
        let height = bottom + BOTTOM;
        let title = escaped(&self.title);
        write!(
            svg,
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
             aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\">{before}\
             <text class=\"title\" x=\"16\" y=\"26\">{title}</text>"
        )?;
        self.write_legend(svg)?;
        for tick in axis.ticks() {
            let x = axis.x(tick);
            write!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                axis.label(tick),
            )?;
        }
        write!(
            svg,
            "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT + 28.0,
            bottom + 16.0,
            escaped(&self.axis)
        )?;
        for (at, row) in self.rows.iter().enumerate() {
            row.write(svg, top + ROW * at as f64, &axis)?;
        }
        if let Some((value, name)) = &self.reference {
            let x = axis.x(*value);
            write!(
                svg,
                "<line class=\"reference\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom}\"/>\
                 <text class=\"soft\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                top - 4.0,
                top - 8.0,
                escaped(name)
            )?;
        }
        svg.push_str("</svg>");
        Ok(())
    }

    /// Names the colours where the labels do not, and the dashed line where there is one.
    fn write_legend(&self, svg: &mut String) -> fmt::Result {
        let mut x = 16.0;
        if self.reference.is_some() {
            for kind in Kind::ALL {
                if self.rows.iter().any(|row| row.peer == kind) {
                    write!(
                        svg,
                        "<rect class=\"{}\" x=\"{x}\" y=\"38\" width=\"10\" height=\"10\" rx=\"2\"/>\
                         <text class=\"soft\" x=\"{}\" y=\"47\">{}</text>",
                        class(kind),
                        x + 15.0,
                        kind.label()
                    )?;
                    x += 90.0;
                }
            }
        }
        if self.rows.iter().any(|row| row.goal.is_some()) {
            write!(
                svg,
                "<line class=\"goal\" x1=\"{x}\" x2=\"{}\" y1=\"43\" y2=\"43\"/>\
                 <text class=\"goal-text\" x=\"{}\" y=\"47\">goal: at most</text>",
                x + 14.0,
                x + 19.0
            )?;
        }
        Ok(())
    }

    fn has_legend(&self) -> bool {
        self.reference.is_some() || self.rows.iter().any(|row| row.goal.is_some())
    }

    fn largest(&self) -> f64 {
        let reference = self.reference.as_ref().map_or(0.0, |(value, _)| *value);
        self.rows
            .iter()
            .flat_map(|row| [row.spread.max, row.goal.unwrap_or(0.0)])
            .fold(reference, f64::max)
            .min(self.cap.unwrap_or(f64::INFINITY))
    }
}

impl Row {
    fn write(&self, svg: &mut String, top: f64, axis: &Axis) -> fmt::Result {
        let middle = top + ROW / 2.0;
        self.write_words(svg, middle)?;
        self.write_bar(svg, middle, axis)?;
        if let Some(goal) = self.goal {
            let x = axis.x(goal);
            let (y1, y2) = (top + 2.0, top + ROW - 2.0);
            write!(
                svg,
                "<line class=\"goal\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>"
            )?;
        }
        Ok(())
    }

    /// The label left of the axis and the value right of it.
    fn write_words(&self, svg: &mut String, middle: f64) -> fmt::Result {
        let label_at = if self.note.is_some() {
            middle - 2.0
        } else {
            middle + 4.0
        };
        write!(
            svg,
            "<text x=\"{:.1}\" y=\"{label_at:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 12.0,
            escaped(&self.label)
        )?;
        if let Some(note) = &self.note {
            write!(
                svg,
                "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 12.0,
                middle + 11.0,
                escaped(note)
            )?;
        }
        write!(
            svg,
            "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT + 14.0,
            middle + 4.0,
            escaped(&self.text)
        )
    }

    /// The median as a bar, the range as a line, the repeats as dots.
    fn write_bar(&self, svg: &mut String, middle: f64, axis: &Axis) -> fmt::Result {
        let (y, end) = (middle - BAR / 2.0, axis.x(self.spread.median));
        write!(
            svg,
            "<rect class=\"{}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"3\"/>",
            class(self.peer),
            (end - LEFT).max(1.0)
        )?;
        let (from, to) = (axis.x(self.spread.min), axis.x(self.spread.max));
        write!(
            svg,
            "<line class=\"range\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>"
        )?;
        for value in &self.repeats {
            let x = axis.x(*value);
            write!(
                svg,
                "<circle class=\"repeat\" cx=\"{x:.1}\" cy=\"{middle}\" r=\"3\"/>"
            )?;
        }
        if self.spread.median > axis.end {
            let (x, end) = (WIDTH - RIGHT - 10.0, WIDTH - RIGHT - 2.0);
            let (y1, y2) = (middle - 5.0, middle + 5.0);
            write!(
                svg,
                "<path class=\"beyond\" d=\"M{x} {y1}L{end} {middle}L{x} {y2}\"/>"
            )?;
        }
        Ok(())
    }
}

/// A linear scale from zero with round ticks.
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    /// A scale that holds `largest`.
    fn over(largest: f64) -> Self {
        let largest = if largest > 0.0 && largest.is_finite() {
            largest
        } else {
            1.0
        };
        let rough = largest / 5.0;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * magnitude)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        Self {
            end: (largest / step).ceil() * step,
            step,
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - RIGHT - LEFT) * (value / self.end).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        (0..=10)
            .map(|at| f64::from(at) * self.step)
            .take_while(|tick| *tick <= self.end * 1.001)
    }

    /// A tick with as many decimals as its step needs.
    fn label(&self, tick: f64) -> String {
        if self.step >= 1000.0 && tick > 0.0 {
            return ThreeDigits(tick).to_string();
        }
        let decimals = if self.step >= 1.0 {
            0
        } else if self.step >= 0.1 {
            1
        } else {
            2
        };
        format!("{tick:.decimals$}")
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Router => "router",
        Kind::Haproxy => "haproxy",
        Kind::Nginx => "nginx",
        Kind::Caddy => "caddy",
        Kind::Direct => "direct",
    }
}

/// Text as XML and HTML want it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_a_round_tick() {
        let rows = [
            (0.93, 1.0, 0.2),
            (21.6, 25.0, 5.0),
            (62_512.0, 80_000.0, 20_000.0),
            (0.0, 1.0, 0.2),
        ];
        for (largest, end, step) in rows {
            let axis = Axis::over(largest);
            assert!(
                (axis.end - end).abs() < end * 1e-9,
                "{largest}: {}",
                axis.end
            );
            assert!(
                (axis.step - step).abs() < step * 1e-9,
                "{largest}: {}",
                axis.step
            );
        }
    }

    #[test]
    fn text_is_escaped() {
        let chart = Chart {
            title: "a < b & c".to_owned(),
            axis: "µs".to_owned(),
            reference: None,
            cap: None,
            rows: Vec::new(),
        };
        assert!(chart.inline().contains("a &lt; b &amp; c"));
    }
}
