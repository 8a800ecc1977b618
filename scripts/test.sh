#!/usr/bin/env bash
# Everything a change must pass, cheap checks first. Each step tells its time; what this machine
# cannot run is named in the summary. Tools that no package ships are built meanwhile, at the
# lowest priority.
# A step is a chain of commands: within `step`, only the last status of a function counts.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
cd "$root"
began=$(now)

tests() { cargo test --workspace --locked --all-targets --exclude benches; }
doc_tests() { cargo test --workspace --locked --doc --quiet; }
docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet; }
clippy() { cargo clippy --workspace --all-targets --locked --quiet -- -D warnings; }

supply_chain() {
    cargo deny --offline --log-level error check bans licenses sources || return 1
    # The advisory database is the only part that must be fetched.
    if cargo deny fetch db >/dev/null 2>&1; then
        cargo deny --log-level error check advisories
    else
        skipped "advisories" "the RustSec database cannot be fetched here"
    fi
}

optimised() { build_optimised && cargo bench --package benches --benches --locked --no-run --quiet; }
bench_smoke() { cargo bench --package benches --benches --locked --quiet -- --test; }
load_smoke() { "$target/release/load-tests" --smoke --router "$target/release/router"; }

tools_log=$(mktemp)
"$root/scripts/setup.sh" build
# A session of its own, so that the end of this script ends its compilers too. oha would not be built in
# time for the smoke run, and slow every step until then.
setsid nice -n 19 "$root/scripts/tools.sh" cargo-deny >"$tools_log" 2>&1 </dev/null &
tools_pid=$!
trap 'kill -- "-$tools_pid" 2>/dev/null || true; rm -f "$tools_log"' EXIT
tools_done() { ! kill -0 "$tools_pid" 2>/dev/null; }

step "what is missing" "$root/scripts/setup.sh" bus older-bus peers gates cloud busybox python-client
step "format" cargo fmt --all --check
step "lints" clippy
step "docs" docs
step "optimised build" optimised
step "instruction and allocation gates" "$root/scripts/gates.sh"
have valgrind || skipped "instruction gate" "valgrind is missing"
have promtool || skipped "metrics as Prometheus sees them" "promtool is missing"
step "benches, one pass each" bench_smoke
for program in haproxy nginx wrk; do
    have "$program" || skipped "load tests with $program" "it is missing"
done
have oha || skipped "load tests with oha" "it is missing; \`make tools\` builds it"
step "load tests, smoke run" load_smoke

if have cargo-deny || wait_for 600 tools_done && have cargo-deny; then
    step "supply chain" supply_chain
else
    skipped "supply chain" "cargo-deny could not be built here: $(tail -n 1 "$tools_log")"
fi

# Last, so that the counts of the tests close the run.
step "doc tests" doc_tests
step "tests, with a real nats-server" tests

say "${green}all checks passed${plain} in $(seconds_since "$began") s"
for skip in "${skips[@]}"; do warn "SKIPPED $skip"; done
