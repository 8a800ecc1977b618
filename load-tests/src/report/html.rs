//! The report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use super::chart::{STYLE, escaped};
use super::markdown::{HOW, machine};
use super::{figure_chart, judgement, mark, range, ratio_chart, with_unit};
use crate::outcome::{Figure, Outcome, Run, Verdict};
use crate::rounds::Table;

const PAGE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#667085;--line:#e4e7ec;--paper:#ffffff;\
--card:#f8f9fb;--met:#067647;--near:#b54708;--missed:#b42318}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#2c3442;\
--paper:#12161d;--card:#181d26;--met:#47cd89;--near:#fdb022;--missed:#f97066}}\
body{margin:0 auto;padding:32px 24px 64px;max-width:920px;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:44px 0 4px}p{margin:4px 0 12px}\
.soft{color:var(--soft)}table{border-collapse:collapse;width:100%;margin:12px 0;\
font-variant-numeric:tabular-nums}th,td{text-align:left;padding:6px 10px;\
border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:500;font-size:13px}\
td.number,th.number{text-align:right}svg{max-width:100%;height:auto;display:block;margin:12px 0}\
.met{color:var(--met)}.near{color:var(--near)}.missed,.remark{color:var(--missed)}\
.verdict{font-weight:600;white-space:nowrap}section{border-top:1px solid var(--line)}\
details{margin:8px 0}summary{cursor:pointer;color:var(--soft)}\
.wide{overflow-x:auto;font-size:13px}pre{white-space:pre-wrap;font:inherit;margin:0}";

/// The whole run.
pub(super) fn report(run: &Run) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Load tests, {began}</title><style>{PAGE}{STYLE}</style></head><body>\
         <h1>Switchyard beside its peers</h1><p class=\"soft\">{began} UTC, {} s. {}</p>",
        run.seconds,
        escaped(&machine(run)),
        began = escaped(&run.began),
    );
    if let Some(chart) = ratio_chart(run) {
        html.push_str(&chart.inline());
    }
    html.push_str(&goals(run));
    for outcome in &run.scenarios {
        html.push_str(&section(outcome));
    }
    let how = HOW
        .trim()
        .trim_start_matches("## How it is measured")
        .trim();
    // Writing to a string cannot fail.
    write!(
        html,
        "<section><h2>How it is measured</h2><p>{}</p></section>",
        escaped(how)
    )
    .ok();
    html.push_str("</body></html>\n");
    html
}

/// Every limit with its verdict.
fn goals(run: &Run) -> String {
    let mut rows = String::new();
    for outcome in &run.scenarios {
        for figure in outcome
            .figures
            .iter()
            .filter(|f| f.verdict() != Verdict::NoGoal)
        {
            write!(
                rows,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&outcome.title),
                figure.measure.label(),
                escaped(&judgement(figure)),
                verdict(figure)
            )
            .ok();
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<table><tr><th>scenario</th><th>figure</th><th>measured</th><th></th></tr>{rows}</table>"
    )
}

fn verdict(figure: &Figure) -> String {
    let verdict = figure.verdict();
    let (class, word) = match verdict {
        Verdict::NoGoal => return String::new(),
        Verdict::Met => ("met", "met"),
        Verdict::Near => ("near", "above"),
        Verdict::Missed => ("missed", "missed"),
    };
    format!(
        "<span class=\"verdict {class}\">{} {word}</span>",
        mark(verdict)
    )
}

fn section(outcome: &Outcome) -> String {
    let mut html = format!(
        "<section><h2>{}</h2><p class=\"soft\">{}</p>",
        escaped(&outcome.title),
        escaped(&outcome.about)
    );
    for remark in &outcome.remarks {
        write!(html, "<p class=\"remark\">{}</p>", escaped(remark)).ok();
    }
    for figure in &outcome.figures {
        html.push_str(&figure_chart(figure).inline());
    }
    if let Some(table) = &outcome.table {
        html.push_str(&beside(table));
    }
    if !outcome.figures.is_empty() {
        let rows: String = outcome.figures.iter().map(rows).collect();
        write!(
            html,
            "<details><summary>Figures</summary><table><tr><th>figure</th><th>peer</th>\
             <th class=\"number\">median</th><th class=\"number\">min–max</th>\
             <th class=\"number\">ratio</th></tr>{rows}</table></details>"
        )
        .ok();
    }
    html.push_str("</section>");
    html
}

/// What figures cannot say.
fn beside(table: &Table) -> String {
    let line = |cells: &[String], tag: &str| {
        let cells = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let faults = table
        .faults
        .iter()
        .map(|fault| format!("<p class=\"remark\">{}</p>", escaped(fault)));
    let rows: String = table.rows.iter().map(|row| line(row, "td")).collect();
    let head = line(&table.columns, "th");
    format!(
        "{}<div class=\"wide\"><table>{head}{rows}</table></div>",
        faults.collect::<String>()
    )
}

fn rows(figure: &Figure) -> String {
    let mut rows = String::new();
    for peer in &figure.peers {
        let ratio = peer.ratio.map_or(String::new(), |ratio| {
            format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max)
        });
        write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{ratio}</td></tr>",
            figure.measure.label(),
            peer.peer,
            with_unit(figure.measure, peer.spread.median),
            range(peer),
        )
        .ok();
    }
    rows
}
