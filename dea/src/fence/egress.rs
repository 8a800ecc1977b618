//! Where containers may connect to: one table of nftables of our own, which stands beside the rules of the
//! engine. A refusal there is final.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::options::FenceOptions;
use super::{FenceError, Kind};

/// The set of addresses of containers that stage.
const STAGING: &str = "staging4";

/// A destination: an address with its bits, and perhaps one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    address: Ipv4Addr,
    bits: u8,
    port: Option<u16>,
}

/// Reads `10.0.0.0/8`, `10.0.0.1` or either with `:PORT`.
pub(super) fn target(text: &str) -> Option<Target> {
    let (net, port) = match text.split_once(':') {
        Some((net, port)) => (net, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let (address, bits) = match net.split_once('/') {
        Some((address, bits)) => (address, bits.parse().ok().filter(|bits| *bits <= 32)?),
        None => (net, 32),
    };
    Some(Target {
        address: address.parse().ok()?,
        bits,
        port,
    })
}

/// The name of our table; the bridge is in it, so that another engine has another one.
pub(super) fn table(bridge: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(
        "switchyard_{}",
        bridge.chars().map(plain).collect::<String>()
    )
}

/// The whole table as `nft -f` reads it: what was there before is replaced in one step.
pub(super) fn ruleset(options: &FenceOptions, resolvers: &[Ipv4Addr]) -> String {
    let (name, bridge) = (table(&options.bridge), &options.bridge);
    let mut out = format!(
        "table inet {name}\ndelete table inet {name}\ntable inet {name} {{\n  \
         set {STAGING} {{ type ipv4_addr; }}\n"
    );
    let refuse = "reject with icmpx admin-prohibited";
    let mut chain = |hook: &str, rules: &[String]| {
        let head = format!(
            "  chain {hook} {{\n    type filter hook {hook} priority -10; policy accept;\n    \
             iifname != \"{bridge}\" accept\n    ct state established,related accept\n"
        );
        out.push_str(&head);
        for rule in rules {
            // Into a string nothing fails.
            writeln!(out, "    {rule}").unwrap_or_default();
        }
        writeln!(out, "    {refuse}\n  }}").unwrap_or_default();
    };
    let names: Vec<String> = resolvers
        .iter()
        .flat_map(|resolver| {
            ["udp", "tcp"].map(|kind| format!("ip daddr {resolver} {kind} dport 53 accept"))
        })
        .collect();
    let mut forward = vec![
        format!("meta nfproto ipv6 {refuse}"),
        format!("oifname \"{bridge}\" {refuse}"),
        format!("ip daddr 169.254.0.0/16 {refuse}"),
    ];
    forward.extend(names.iter().cloned());
    let rules = |list: &[String], before: &str, verdict: &str| -> Vec<String> {
        let all = list.iter().filter_map(|text| target(text));
        all.map(|to| format!("{before}{} {verdict}", destination(to)))
            .collect()
    };
    forward.extend(rules(&options.refused, "", refuse));
    let staging = format!("ip saddr @{STAGING} ");
    forward.extend(rules(&options.staging, &staging, "accept"));
    let running = format!("ip saddr != @{STAGING} ");
    forward.extend(rules(&options.running, &running, "accept"));
    chain("forward", &forward);
    // What the node itself binds.
    chain("input", &names);
    out.push_str("}\n");
    out
}

fn destination(to: Target) -> String {
    let Target {
        address,
        bits,
        port,
    } = to;
    match port {
        None => format!("ip daddr {address}/{bits}"),
        Some(port) => {
            format!("ip daddr {address}/{bits} meta l4proto {{ tcp, udp }} th dport {port}")
        }
    }
}

/// Puts the table in force.
pub(super) async fn apply(options: &FenceOptions) -> Result<(), FenceError> {
    if !options.filters {
        return Ok(());
    }
    // Without the file there are no resolvers, and none is reached.
    let host = tokio::fs::read_to_string("/etc/resolv.conf").await;
    let resolvers = options.resolvers(&host.unwrap_or_default());
    nft(&ruleset(options, &resolvers)).await
}

/// Gives the container at `address` the rules of its kind. An address is used again by containers of
/// the other kind.
pub(super) async fn admit(
    options: &FenceOptions,
    address: IpAddr,
    kind: Kind,
) -> Result<(), FenceError> {
    if !options.filters || address.is_unspecified() {
        return Ok(());
    }
    let table = table(&options.bridge);
    // Adding first lets the deletion of what was not there succeed.
    let add = format!("add element inet {table} {STAGING} {{ {address} }}\n");
    let delete = match kind {
        Kind::Staging => String::new(),
        Kind::Running => format!("delete element inet {table} {STAGING} {{ {address} }}\n"),
    };
    nft(&format!("{add}{delete}")).await
}

async fn nft(script: &str) -> Result<(), FenceError> {
    let ran: io::Result<_> = async {
        let mut child = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(script.as_bytes()).await?;
        }
        child.wait_with_output().await
    }
    .await;
    match ran {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(FenceError::Refused(format!("nft: {said}")))
        }
        Err(error) => Err(FenceError::Refused(format!("nft: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_addresses_with_bits_and_perhaps_a_port() {
        let check = |text: &str, expected: Option<&str>| {
            let read = target(text).map(destination);
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("10.0.0.0/8", Some("ip daddr 10.0.0.0/8"));
        check("10.0.0.1", Some("ip daddr 10.0.0.1/32"));
        let with_port = "ip daddr 10.0.0.1/32 meta l4proto { tcp, udp } th dport 5432";
        check("10.0.0.1:5432", Some(with_port));
        for bad in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.1:",
            "10.0.0.1:70000",
            "::1/128",
            "10.0.0.1 }",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_always_refused_comes_before_what_is_allowed() {
        let options = FenceOptions {
            bridge: "br-0".to_owned(),
            running: vec!["0.0.0.0/0:443".to_owned()],
            staging: vec!["10.9.0.0/16".to_owned()],
            refused: vec!["10.0.0.5".to_owned()],
            ..FenceOptions::default()
        };
        let rules = ruleset(&options, &[Ipv4Addr::new(10, 0, 0, 2)]);
        let at = |text: &str| {
            rules
                .find(text)
                .unwrap_or_else(|| panic!("{text} in {rules}"))
        };
        let in_order = [
            "table inet switchyard_br_0\ndelete table inet switchyard_br_0",
            "chain forward",
            "iifname != \"br-0\" accept",
            "ct state established,related accept",
            "meta nfproto ipv6 reject",
            "oifname \"br-0\" reject",
            "ip daddr 169.254.0.0/16 reject",
            "ip daddr 10.0.0.2 udp dport 53 accept",
            "ip daddr 10.0.0.5/32 reject",
            "ip saddr @staging4 ip daddr 10.9.0.0/16 accept",
            "ip saddr != @staging4 ip daddr 0.0.0.0/0 meta l4proto { tcp, udp } th dport 443 accept",
            "chain input",
        ];
        for pair in in_order.windows(2) {
            assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
        }
        assert!(
            rules
                .trim_end()
                .ends_with("reject with icmpx admin-prohibited\n  }\n}")
        );
    }

    #[test]
    fn the_resolvers_of_the_node_serve_unless_others_are_named() {
        let host = "# comment\nnameserver 10.0.0.2\nnameserver ::1\nsearch x\n";
        let mut options = FenceOptions::default();
        assert_eq!(options.resolvers(host), [Ipv4Addr::new(10, 0, 0, 2)]);
        options.resolvers = vec!["1.1.1.1".parse().unwrap()];
        assert_eq!(options.resolvers(host), [Ipv4Addr::new(1, 1, 1, 1)]);
    }
}
