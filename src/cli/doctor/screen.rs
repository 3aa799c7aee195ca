//! The output of `kind-wsl doctor`: one line per group, its failures, and the forecast for `kind create cluster`.

use anstyle::Style;

use crate::checks::{Group, Status};
use crate::doctor::{CheckReport, CreationForecast, Diagnosis};
use crate::ui::{BOLD, DIM, Detail, GREEN, RED, YELLOW, columns, marks, out, rows, styled, width};

/// Prints the line of a group, then its failures, or every check with `-v`.
pub(super) fn show_group(group: &Group, reports: &[CheckReport], detail: Detail) {
    let has = |status| reports.iter().any(|report| report.status == status);
    let blocked = reports.iter().find_map(|report| report.blocked_by);
    let (mark, style) = match blocked {
        _ if has(Status::Error) => mark(Status::Error),
        _ if has(Status::Warning) => mark(Status::Warning),
        None if has(Status::Ok) || has(Status::Limited) => mark(Status::Ok),
        None if has(Status::Unknown) => mark(Status::Unknown),
        _ => mark(Status::Skipped),
    };
    if detail == Detail::Brief && !has(Status::Error) && !has(Status::Warning) {
        return;
    }
    let cells = [(mark, marks::room(), style), (group.title, 20, BOLD)];
    out(&columns(&cells, &summary(group, reports), width()));
    let below = if detail == Detail::Full { every(reports) } else { failed(reports) };
    if !below.is_empty() {
        out(&rows(marks::room(), &below));
    }
}

/// Prints checks that the caller chose.
pub(super) fn show_checks(reports: &[CheckReport]) {
    out(&rows(0, &every(reports)));
}

/// The number of failures in a group, or its summary if nothing failed.
fn summary(group: &Group, reports: &[CheckReport]) -> String {
    let count = |status| reports.iter().filter(|report| report.status == status).count();
    let counts = [(count(Status::Error), "error"), (count(Status::Warning), "warning")];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
    if !counts.is_empty() {
        return counts.join(", ");
    }
    let described = reports.iter().filter(|report| group.is_summary(report.id));
    let shown: Vec<&str> = described
        .clone()
        .filter(|report| report.status != Status::Skipped)
        .filter_map(|report| report.details.split(": ").next())
        .collect();
    if !shown.is_empty() {
        return shown.join(", ");
    }
    match described.into_iter().next() {
        Some(CheckReport { blocked_by: Some(cause), .. }) => format!("skipped ({cause})"),
        Some(report) => report.details.clone(),
        None => String::new(),
    }
}

/// The failures: root causes, other errors, warnings, then the checks that were skipped because of an error.
fn failed(reports: &[CheckReport]) -> Vec<(String, String)> {
    let is_failure = |report: &&CheckReport| matches!(report.status, Status::Error | Status::Warning);
    let mut failures: Vec<&CheckReport> = reports.iter().filter(is_failure).collect();
    let is_cause = |id: &str| reports.iter().any(|report| report.blocked_by == Some(id));
    failures.sort_by_key(|report| (!is_cause(report.id), report.status != Status::Error));
    let mut rows: Vec<(String, String)> = failures.into_iter().flat_map(lines).collect();
    let mut causes: Vec<&str> = reports.iter().filter_map(|report| report.blocked_by).collect();
    causes.dedup();
    for cause in causes {
        let ids: Vec<_> = reports.iter().filter(|r| r.blocked_by == Some(cause)).map(|r| r.id).collect();
        if ids.len() < reports.len() {
            rows.push((label(Status::Skipped, "skipped"), format!("{} ({cause})", ids.join(", "))));
        }
    }
    rows
}

fn every(reports: &[CheckReport]) -> Vec<(String, String)> {
    reports.iter().flat_map(lines).collect()
}

/// The result of a check; for a failure also its effect and its fix.
fn lines(report: &CheckReport) -> Vec<(String, String)> {
    let found = match (report.status, report.blocked_by) {
        (Status::Skipped, Some(cause)) => format!("skipped ({cause})"),
        (Status::Skipped, None) => format!("skipped ({})", report.details),
        (Status::Limited, _) if report.fix.command().is_some() => {
            format!("{}; to change this: {}", report.details, report.fix)
        }
        _ => report.details.clone(),
    };
    let mut rows = vec![(label(report.status, report.id), found)];
    if matches!(report.status, Status::Warning | Status::Error) {
        let indent = " ".repeat(marks::room());
        rows.push((format!("{indent}effect"), report.effect.clone()));
        rows.push((format!("{indent}fix"), report.fix.to_string()));
    }
    rows
}

fn label(status: Status, text: &str) -> String {
    let (mark, style) = mark(status);
    let style_of_text = if status == Status::Skipped { DIM } else { BOLD };
    format!("{}{}", styled(style, &format!("{mark:0$}", marks::room())), styled(style_of_text, text))
}

fn mark(status: Status) -> (&'static str, Style) {
    match status {
        Status::Ok | Status::Limited => (marks::passed(), GREEN),
        Status::Warning => (marks::warned(), YELLOW),
        Status::Error => (marks::failed(), RED),
        Status::Skipped => (marks::skipped(), DIM),
        Status::Unknown => (marks::unknown(), YELLOW),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Prints the forecast for `kind create cluster` on the machine.
pub(super) fn show_forecast(forecast: CreationForecast, machine: &str) {
    let (style, text) = match forecast {
        CreationForecast::Fails => (RED, format!("kind create cluster would FAIL on {machine}.")),
        CreationForecast::SucceedsWrapped => {
            (YELLOW, format!("Only kind-wsl kind create cluster would succeed on {machine}."))
        }
        CreationForecast::Succeeds => (GREEN, format!("kind create cluster would succeed on {machine}.")),
        CreationForecast::Unknown => {
            (YELLOW, format!("No check failed, but too few checks ran to predict kind on {machine}."))
        }
    };
    out(&format!("\n{}", styled(style.bold(), &text)));
}

/// Prints the counts and the next commands.
pub(super) fn show_counts(diagnosis: &Diagnosis, detail: Detail) {
    let count = |status| diagnosis.count(status);
    let (errors, warnings) = (count(Status::Error), count(Status::Warning));
    let others = [(count(Status::Unknown), "unknown"), (count(Status::Skipped), "skipped")];
    let others: Vec<_> =
        others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let checks = counted(diagnosis.reports().count(), "check");
    out(&format!("{}, {} in {checks}{others}.", counted(errors, "error"), counted(warnings, "warning")));
    let mut next = Vec::new();
    if let Some((line, fixed)) = diagnosis.fix_all() {
        let all = errors + warnings;
        let label = if fixed == all { "Fix all".to_owned() } else { format!("Fix {fixed} of {all}") };
        next.push((label, format!("`{line}`")));
    }
    if detail == Detail::Normal {
        next.push(("Details".to_owned(), "`kind-wsl doctor -v`".to_owned()));
    }
    if detail != Detail::Brief && !next.is_empty() {
        out(&rows(0, &next));
    }
}
