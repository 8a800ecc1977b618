//! A figure and the limit that it is held to.

use std::process::ExitCode;

/// Prints the figure of `what` for each request beside its limit, and fails above it.
#[expect(clippy::print_stdout, reason = "printing is what a gate is for")]
pub fn judge(what: &str, count: u64, requests: u64, limit: u32) -> ExitCode {
    let figure = count as f64 / requests as f64;
    let (verdict, code) = if figure <= f64::from(limit) {
        ("PASS", ExitCode::SUCCESS)
    } else {
        ("FAIL", ExitCode::FAILURE)
    };
    println!("{verdict} {figure:.2} {what} per keep-alive request, limit {limit}");
    code
}
