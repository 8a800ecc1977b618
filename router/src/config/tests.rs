//! The configuration as an operator meets it: whole files in, values and complaints out.

use std::time::Duration;

use component::config_file;
use component::secret::Secret;
use component::telemetry::{Level, Lines, Timestamp};
use router_core::access_log::ExtraField;
use router_core::balance::Balance;

use router_core::route::RouteKey;

use super::*;

fn load(text: &str) -> Loaded<Config> {
    config_file::parse::<Config>(&"router.yml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn config(text: &str) -> Config {
    load(text).config
}

/// The complaints about a file that must not be accepted.
#[track_caller]
fn refuse(text: &str, expected: &str) {
    match config_file::parse::<Config>(&"router.yml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
    }
}

/// The remarks about a file that is accepted.
#[track_caller]
fn warn(text: &str, expected: &[&str]) {
    assert_eq!(load(text).warnings, expected, "{text}");
}

#[test]
fn a_file_that_says_nothing_is_refused() {
    for text in [
        "",
        "# port: 80\n",
        "---\n",
        "~",
        "null\n",
        "{}",
        "--- {}\n...\n",
    ] {
        refuse(text, "router.yml:1: the file says nothing");
    }
}

#[test]
fn a_file_that_says_little_is_the_default() {
    let mut expected = Config::default();
    expected.logging.output = LogOutput::Stdout;
    assert_eq!(config("port: 8081"), expected);
    assert_eq!(config("workers: auto"), Config::default());
}

#[test]
fn the_example_file_is_the_default() {
    let file = include_str!("../../router.example.yml");
    let example = config_file::example::<Config>();
    assert!(
        file == example,
        "router.example.yml is out of date: cargo run -p router -- --print-example > router/router.example.yml"
    );
    let loaded = load(file);
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn every_key_is_documented() {
    fn check(lines: &[yaml::Line]) {
        for line in lines {
            assert!(!line.doc.is_empty(), "{}", line.name);
            if let yaml::Output::Map(lines) = &line.value {
                check(lines);
            }
        }
    }
    check(&yaml::write(|keys| Config::default().keys(keys)));
}

/// A file that a deployment of Cloud Foundry might have.
const GOROUTER: &str = include_str!("testdata/gorouter.yml");

#[test]
fn a_gorouter_yml_is_accepted_as_it_is() {
    let config = config(GOROUTER);
    assert_eq!(
        config.listeners,
        [ListenerConfig {
            proxy_protocol: ProxyProtocol::Optional,
            ..ListenerConfig::on_port(80)
        }]
    );
    assert_eq!(config.headers.trace_key, Some(Secret::new("22")));
    assert_eq!(config.headers.client_cert, ForwardedClientCert::SanitizeSet);
    assert_eq!(config.headers.hop_by_hop_filter.len(), 8);
    assert_eq!(config.headers.add_to_response[0].value, "max-age=31536000");
    assert_eq!(config.headers.remove_from_response[0].name, "X-Powered-By");
    assert_eq!(config.headers.error_page, None);
    assert_eq!(config.client.head_timeout, Duration::from_secs(10));
    assert_eq!(config.client.max_header_bytes.0, 1 << 20);
    assert_eq!(config.client.max_headers, 256);
    assert_eq!(
        config.backend.endpoint_timeout,
        Some(Duration::from_secs(900))
    );
    assert_eq!(config.backend.max_conns, 500);
    assert_eq!(config.backend.max_idle, 100);
    assert_eq!(config.backend.balance, Balance::RoundRobin);
    assert!(config.backend.prefer_zone && config.backend.keep_alive);
    // Raised to the start delay, and the ejection derived from it.
    assert_eq!(config.registry.stale_threshold, Duration::from_secs(20));
    assert_eq!(config.backend.ejection, Duration::from_secs(5));
    assert_eq!(config.admin.status, "0.0.0.0:8082".parse().ok());
    assert_eq!(Some(config.admin.address), "127.0.0.1:8083".parse().ok());
    assert_eq!(
        config.admin.credentials.unwrap().password,
        Secret::new("0123456")
    );
    assert_eq!(config.logging.timestamp, Timestamp::Rfc3339);
    let extra = [ExtraField::BackendTime, ExtraField::DnsTime];
    assert_eq!(config.access_log.format.extra_fields, extra);
    assert_eq!(config.process.drain_wait, Duration::from_secs(20));
    assert_eq!(config.process.drain_timeout, Duration::from_secs(900));
    assert_eq!(
        (config.process.index, config.process.zone.as_str()),
        (3, "z1")
    );
}

#[test]
fn a_route_that_leads_back_to_the_router_is_refused() {
    let route =
        |address: &str| format!("routes: [{{uris: [a.test, b.test], backends: ['{address}']}}]");
    for (listener, address) in [
        ("listeners: ['[::]:8080']", "127.0.0.1:8080"),
        ("listeners: ['[::]:8080']", "127.3.2.1:8080"),
        ("listeners: ['[::]:8080']", "[::1]:8080"),
        ("port: 8080", "localhost:8080"),
        ("listeners: ['127.0.0.1:8080']", "127.0.0.1:8080"),
        ("listeners: ['127.0.0.1:8080']", "0.0.0.0:8080"),
        ("status: {port: 8090}", "127.0.0.1:8090"),
        ("status: {routes: {port: 8091}}", "127.0.0.1:8091"),
    ] {
        let text = format!("{listener}\n{}", route(address));
        let expected = format!(
            "router.yml:2: routes: a.test, b.test leads back to this router, which listens at {address}"
        );
        refuse(&text, &expected);
    }
    for (listener, address) in [
        ("listeners: ['[::]:8080']", "192.0.2.1:8080"),
        ("listeners: ['[::]:8080']", "127.0.0.1:8081"),
        ("listeners: ['[::]:8080']", "app.internal:8080"),
        ("listeners: ['127.0.0.1:8080']", "127.0.0.2:8080"),
        ("listeners: ['127.0.0.1:0']", "127.0.0.1:8080"),
        ("listeners: ['unix:/tmp/r']", "127.0.0.1:8080"),
    ] {
        load(&format!(
            "status: {{port: off, routes: {{port: 0}}}}\n{listener}\n{}",
            route(address)
        ));
    }
}

#[test]
fn rules_for_headers_are_words() {
    let headers = |text: &str| config(text).headers;
    let defaults = headers("port: 80");
    assert_eq!(
        defaults.forwarded_from_untrusted,
        ForwardedFromUntrusted::Discard
    );
    assert_eq!(defaults.client_cert, ForwardedClientCert::ByPeer);
    assert_eq!(defaults.via, ViaConfig::Backends);
    assert_eq!(defaults.underscores, Underscores::Pass);
    let text = "forwarded_from_untrusted: pass\nforwarded_client_cert: always_forward\nvia: off\n\
                headers_with_underscores: drop\n";
    let chosen = headers(text);
    assert_eq!(
        chosen.forwarded_from_untrusted,
        ForwardedFromUntrusted::Pass
    );
    assert_eq!(chosen.client_cert, ForwardedClientCert::AlwaysForward);
    assert_eq!(chosen.via, ViaConfig::Off);
    assert_eq!(chosen.underscores, Underscores::Drop);
    assert_eq!(config(&config_file::to_yaml(&config(text))).headers, chosen);
}

#[test]
fn what_frames_a_response_cannot_be_rewritten() {
    warn(
        "http_rewrite:\n  responses:\n    add_headers_if_not_present: [{name: Upgrade, value: x}]\n\
         \x20   remove_headers: [{name: X-A}, {name: content-length}]\n",
        &[
            "router.yml:3: http_rewrite.responses.add_headers_if_not_present: Upgrade says where a \
             message ends, and is left alone",
            "router.yml:4: http_rewrite.responses.remove_headers: content-length says where a message \
             ends, and is left alone",
        ],
    );
}

#[test]
fn its_bus_and_the_remarks_about_it() {
    let Loaded { config, warnings } = load(GOROUTER);
    let bus = config.bus.unwrap();
    assert_eq!(bus.servers[0].host, "q-s0.nats.default.cf.bosh");
    assert_eq!(
        bus.servers[1],
        BusServer {
            host: "10.0.0.7".into(),
            port: 4224
        }
    );
    assert_eq!(bus.password, Secret::new("1e5"));
    assert!(bus.tls.unwrap().private_key.reveal().contains("MIIE"));
    assert_eq!(
        warnings,
        [
            "router.yml:10: not supported, ignored: status.tls (line 10: there are no health checks \
             over TLS); logging.loggregator_enabled (line 39: nothing is sent to a metron agent); \
             sticky_session_cookie_names (line 59: there are no sticky sessions); routing_api.uri \
             (line 68: routes come from the bus and from files); enable_http2 (line 97: there is no \
             HTTP/2); tracing.enable_zipkin (line 132: trace headers pass as they are); ca_certs \
             (line 134: there is no TLS to backends)",
        ]
    );
}

/// Every key of gorouter's configuration.
const GOROUTER_KEYS: &str = "
    port disable_http enable_ssl ssl_port tls_pem cipher_suites min_tls_version max_tls_version
    client_cert_validation client_ca_certs only_trust_client_ca_certs ca_certs
    enable_verify_client_certificate_metadata verify_client_certificate_metadata
    skip_ssl_validation tls_handshake_timeout enable_http2 enable_http1_concurrent_read_write
    enable_proxy force_forwarded_proto_https sanitize_forwarded_proto forwarded_client_cert
    hop_by_hop_headers_to_filter max_request_header_bytes max_response_header_bytes
    max_header_bytes max_request_headers max_response_headers keep_alive_100_continue_requests
    endpoint_timeout http_1_endpoint_timeout http_2_endpoint_timeout endpoint_dial_timeout
    websocket_dial_timeout endpoint_keep_alive_probe_interval frontend_idle_timeout
    read_header_timeout disable_keep_alives max_idle_conns max_idle_conns_per_host
    backends.max_conns backends.max_attempts backends.cert_chain backends.private_key
    balancing_algorithm balancing_algorithm_az_preference zone index nats.hosts nats.user nats.pass
    nats.tls_enabled nats.ca_certs nats.cert_chain nats.private_key nats_client_ping_interval
    suspend_pruning_if_nats_unavailable prune_stale_droplets_interval droplet_stale_threshold
    start_response_delay_interval publish_start_message_interval publish_active_apps_interval
    load_balancer_healthy_threshold route_latency_metric_muzzle_duration routing_table_sharding_mode
    isolation_segments empty_pool_response_code_503 empty_pool_timeout drain_wait drain_timeout
    secure_cookies sticky_session_cookie_names sticky_sessions_for_auth_negotiate
    healthcheck_user_agent status.host status.port status.user status.pass
    status.enable_nontls_health_checks status.enable_deprecated_varz_healthz_endpoints
    status.tls status.routes.port logging.level logging.format.timestamp logging.syslog
    logging.syslog_addr logging.syslog_network logging.syslog_truncate logging.loggregator_enabled
    logging.metron_address logging.disable_log_forwarded_for logging.disable_log_source_ip
    logging.redact_query_params logging.extra_access_log_fields access_log.file
    access_log.enable_streaming extra_headers_to_log tracing.enable_zipkin tracing.enable_w3c
    tracing.w3c_tenant_id trace_key debug_addr pid_file go_max_procs prometheus.enabled
    prometheus.port prometheus.cert_path prometheus.key_path prometheus.ca_path prometheus.meters
    per_request_metrics_reporting enable_envelope_v1_metrics send_http_start_stop_server_event
    send_http_start_stop_client_event per_app_prometheus_http_metrics_reporting
    route_services_secret route_services_secret_decrypt_only route_services_timeout
    route_services_recommend_https route_services_hairpinning route_services_hairpinning_allowlist
    route_services_internal_server_port route_services.max_attempts
    route_services.strict_signature_validation route_services.cert_chain route_services.private_key
    http_rewrite.responses.add_headers_if_not_present http_rewrite.responses.remove_headers
    html_error_template_file oauth.token_endpoint oauth.port oauth.skip_ssl_validation
    oauth.client_name oauth.client_secret oauth.ca_certs routing_api.uri routing_api.port
    routing_api.auth_disabled routing_api.ca_certs routing_api.cert_chain routing_api.private_key
    token_fetcher_max_retries token_fetcher_retry_interval token_fetcher_expiration_buffer_time
    healthcheck_poll_interval healthcheck_timeout domains go.httplaxcontentlength";

#[test]
fn every_key_of_gorouter_is_known() {
    for key in GOROUTER_KEYS.split_whitespace() {
        let depth = key.matches('.').count();
        let text = format!("{}: ~{}", key.replace('.', ": {"), "}".repeat(depth));
        let warnings = load(&text).warnings;
        assert!(warnings.is_empty(), "{key}: {warnings:?}");
    }
}

/// The example of the project's front page.
const OWN: &str = r#"
listeners: [{address: "[::]:8080", proxy_protocol: off}]
trusted_proxies: [127.0.0.0/8, ::1, 10.0.0.0/8]
routes:
  - uris: [app.example.com, "*.example.com/api"]
    backends: [{address: "127.0.0.1:9000", weight: 2}, {address: "backend.internal:80"}]
    timeouts: {connect: 2s, first_byte: 60s, idle: 90s}
    limits: {max_body: 100MiB, max_conns: 200}
routes_file: routes.yml
snapshot_file: state/routes.snapshot
workers: 2
"#;

const NO_BUS: &str =
    "snapshot_file: has no effect without a bus: nobody would confirm what an earlier run knew";

#[test]
fn keys_of_our_own() {
    let Loaded { config, warnings } = load(OWN);
    assert_eq!(warnings, [format!("router.yml:10: {NO_BUS}")]);
    assert_eq!(config.listeners, [ListenerConfig::on_port(8080)]);
    assert_eq!(config.workers.count(), 2);
    assert!(config.client.trusted_proxies.contains([10, 1, 1, 1].into()));
    assert!(
        !config
            .client
            .trusted_proxies
            .contains([192, 168, 1, 1].into())
    );
    // Routes without a word about the bus mean no bus.
    assert_eq!(config.bus, None);
    // The listener has the port that health checks would have by default.
    assert_eq!(config.admin.status, None);
    let route = &config.routes[0];
    assert_eq!(route.uris, ["app.example.com", "*.example.com/api"]);
    assert_eq!(
        route.backends[0],
        StaticBackend {
            address: "127.0.0.1:9000".into(),
            weight: 2
        }
    );
    assert_eq!(route.backends[1].weight, 1);
    assert_eq!(route.timeouts.idle, Some(Duration::from_secs(90)));
    assert_eq!(route.limits.max_body.unwrap().0, 100 << 20);
    assert_eq!(route.limits.max_conns, Some(200));
}

#[test]
fn what_is_printed_reads_back() {
    for text in [
        "port: 80",
        "workers: 2\nzone: $${z}\nlisteners: ['unix:/a$${b'] ",
        GOROUTER,
        OWN,
        "nats: off",
        "status: {port: off}",
        "workers: 7",
    ] {
        let mut expected = config(text);
        let printed = config_file::to_yaml(&expected);
        for secret in ["0123456", "1e5", "MIIE", "s3cret", "\"22\"", " 22\n"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
        mask(&mut expected);
        let Loaded { config, warnings } = load(&printed);
        assert_eq!(config, expected, "{printed}");
        let unexpected = |warning: &&String| !warning.ends_with(NO_BUS);
        assert_eq!(warnings.iter().find(unexpected), None, "{printed}");
        assert_eq!(config_file::to_yaml(&config), printed);
    }
}

/// Replaces secrets by what is printed for them.
fn mask(config: &mut Config) {
    let masked = Secret::new(Secret::MASK);
    config.headers.trace_key = config.headers.trace_key.as_ref().map(|_| masked.clone());
    if let Some(credentials) = &mut config.admin.credentials {
        credentials.password = masked.clone();
    }
    if let Some(bus) = &mut config.bus {
        if !bus.password.is_empty() {
            bus.password = masked.clone();
        }
        if let Some(tls) = &mut bus.tls {
            tls.private_key = masked;
        }
    }
}

#[test]
fn the_bus_is_off_only_when_nobody_wants_it() {
    let off = |text: &str| config(text).bus.is_none();
    assert!(!off("port: 80"));
    assert!(off("nats: off"));
    assert!(off("routes: []"));
    assert!(off("routes_file: routes.yml"));
    assert!(!off("routes: []\nnats: {user: a}"));
    let old = "nats: [{host: a, port: 1, user: u, pass: p}, {host: b, port: 2, user: u, pass: p}]";
    let bus = config(old).bus.unwrap();
    assert_eq!(
        (bus.servers.len(), bus.servers[1].port, bus.user.as_str()),
        (2, 2, "u")
    );
    let bus = config("nats: {hosts: [\"a:1\", b]}\nnats_client_ping_interval: 3s")
        .bus
        .unwrap();
    assert_eq!((bus.servers[0].port, bus.servers[1].port), (1, 4222));
    assert_eq!(bus.ping_interval, Duration::from_secs(3));
}

#[test]
fn derived_defaults() {
    let derived = config("endpoint_timeout: 5m\nendpoint_dial_timeout: 1s\ngo_max_procs: 3");
    assert_eq!(derived.process.drain_timeout, Duration::from_secs(300));
    assert_eq!(
        derived.backend.websocket_dial_timeout,
        Duration::from_secs(1)
    );
    assert_eq!(derived.workers.count(), 3);
    assert_eq!(config("endpoint_timeout: 0").backend.endpoint_timeout, None);
    assert_eq!(
        config("backends: {max_attempts: 0}").backend.max_attempts,
        1
    );
    assert_eq!(config("workers: auto").workers, Workers::PerCore);
    let zeros = "prune_stale_droplets_interval: 0\ndroplet_stale_threshold: 0\n\
                 endpoint_dial_timeout: 0\nwebsocket_dial_timeout: 0\nnats_client_ping_interval: 0";
    let zeros = config(zeros).registry;
    assert!(zeros.prune_interval.is_zero());
    assert_eq!(zeros.stale_threshold, Duration::from_secs(5));
    let newer = config("endpoint_timeout: 1s\nhttp_1_endpoint_timeout: 2s");
    assert_eq!(newer.backend.endpoint_timeout, Some(Duration::from_secs(2)));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    refuse("a: [\n", "router.yml:1: unclosed bracket '['");
    refuse("[]", "router.yml:1: must be a mapping, not a list");
    let names: Vec<String> = (0..33).map(|number| format!("X-{number}")).collect();
    refuse(
        &format!("extra_headers_to_log: [{}]", names.join(", ")),
        "router.yml:1: extra_headers_to_log: names more than 32 headers",
    );
    refuse(
        "\nendpoint_timeout: soon\nport: 70000\n",
        "router.yml:2: endpoint_timeout: \"soon\" is not a duration such as 500ms, 60s or 1m30s\n\
         router.yml:3: port: \"70000\" is not a whole number from 0 to 65535",
    );
    refuse(
        "balancing_algorithm: best",
        "router.yml:1: balancing_algorithm: must be one of round-robin, least-connection",
    );
    refuse(
        "trusted_proxies: [10.0.0.0/33]",
        "router.yml:1: trusted_proxies: \"10.0.0.0/33\": prefix length does not fit the address",
    );
    refuse(
        "listeners: []",
        "router.yml:1: listeners: no listener is left",
    );
    refuse(
        "listeners: [{proxy_protocol: off}]",
        "router.yml:1: listeners.address: is missing",
    );
    refuse(
        "listeners: [\"x:80\"]",
        "router.yml:1: listeners: \"x:80\" is not an address such as 127.0.0.1:80, [::]:80, :80 or unix:/path",
    );
    refuse(
        "listeners: [\":80\",\n \"127.0.0.1:80\"]",
        "router.yml:1: listeners: 127.0.0.1:80 is taken by another of them",
    );
    refuse(
        "status: {port: 8081}",
        "router.yml:1: status.port: a listener has this port already",
    );
    refuse(
        "status: {routes: {port: 8080}}",
        "router.yml:1: status.routes.port: another listener has this port already",
    );
}

#[test]
fn what_does_not_fit_together_is_said_with_its_line() {
    refuse(
        "status: {user: a}",
        "router.yml:1: status.pass: must not be empty beside a user",
    );
    refuse(
        "debug_addr: 0.0.0.0:17002",
        "router.yml:1: debug_addr: must be on loopback: it asks for no credentials",
    );
    refuse(
        "routing_table_sharding_mode: segments",
        "router.yml:1: routing_table_sharding_mode: segments need isolation_segments",
    );
    refuse(
        "nats: []",
        "router.yml:1: nats: names no server; write nats: off to run without a bus",
    );
    refuse(
        "workers: 5000",
        "router.yml:1: workers: must be auto or at most 1024",
    );
    refuse(
        "client_read_stall: 0s",
        "router.yml:1: client_read_stall: must be more than 0s",
    );
}

#[test]
fn what_would_be_unsafe_is_refused() {
    let no_listener = "disable_http: no listener would be left, because there is no TLS listener";
    refuse(
        "enable_ssl: true\ndisable_http: true",
        &format!("router.yml:2: {no_listener}"),
    );
    refuse("disable_http: yes", &format!("router.yml:1: {no_listener}"));
    refuse(
        "enable_ssl: true\nclient_cert_validation: require",
        "router.yml:2: client_cert_validation: client certificates cannot be required, because \
         there is no TLS listener",
    );
    refuse(
        "enable_ssl: true\nenable_verify_client_certificate_metadata: true",
        "router.yml:2: enable_verify_client_certificate_metadata: client certificates cannot be \
         checked, because there is no TLS listener",
    );
    refuse(
        "status:\n  enable_nontls_health_checks: false",
        "router.yml:2: status.enable_nontls_health_checks: nobody would answer health checks, \
         because there are none over TLS",
    );
    refuse(
        "domains: [{name: x}]",
        "router.yml:1: domains: client certificates cannot be required by domain",
    );
    warn(
        "route_services_secret: x",
        &[
            "router.yml:1: not supported, ignored: route_services_secret (line 1: a request to a \
             route that is bound to a route service is answered with 502)",
        ],
    );
    warn("client_cert_validation: require", &[]);
    warn("enable_verify_client_certificate_metadata: true", &[]);
    warn(
        "enable_ssl: true\nclient_cert_validation: none",
        &[
            "router.yml:1: not supported, ignored: enable_ssl (line 1: there is no TLS listener; the \
           plain ones are open)",
        ],
    );
}

#[test]
fn remarks() {
    warn(
        "drain_wait: 20",
        &["router.yml:1: drain_wait: without a unit this is 20 nanoseconds; write 20s for seconds"],
    );
    warn(
        "drain_timeout: -1s",
        &["router.yml:1: drain_timeout: \"-1s\" is below zero; it counts as 0s"],
    );
    warn(
        "listeners: [\":80\"]\nport: 81",
        &["router.yml:2: port: has no effect beside listeners"],
    );
    warn(
        "logging: {levle: info}\nport: 80\nprot: 81",
        &["router.yml:1: unknown, ignored: logging.levle (line 1), prot (line 3)"],
    );
}

#[test]
fn static_routes_are_checked() {
    let none = HashSet::new();
    let route = |uri: &str, backend: &str| {
        let text = format!("- uris: [\"{uri}\"]\n  backends: [\"{backend}\"]\n");
        parse_routes(&text, &none).map_err(|faults| faults[0].to_string())
    };
    assert_eq!(
        route("a.com/x", "b:80").unwrap()[0].backends[0].address,
        "b:80"
    );
    for uri in [
        "*.a.com",
        "[::1]",
        "[FD00::1]/x",
        "127.0.0.1",
        "a_b.com",
        "xn--bcher-kva.com",
    ] {
        assert!(route(uri, "[::1]:80").is_ok(), "{uri}");
    }
    for uri in [
        "",
        "/x",
        "http://a.com",
        "a.com:80",
        "a.*.com",
        "*",
        "*.",
        "a b.com",
        "a.com/x?y",
        "bücher.com",
        "a.com/ä",
        "[0:0::1]",
        "[::1",
        "[127.0.0.1]",
        "[fe80::1%eth0]",
    ] {
        assert!(route(uri, "b:80").is_err(), "{uri}");
    }
    for backend in [
        "",
        "b",
        "b:0",
        "b:99999",
        ":80",
        "::1:80",
        "http://b:80",
        "b/c:80",
    ] {
        assert!(route("a.com", backend).is_err(), "{backend}");
    }
}

#[test]
fn every_mistake_of_a_routes_file_has_its_line() {
    let none = HashSet::new();
    let faults = |text: &str| {
        let faults = parse_routes(text, &none).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        faults("- {}\n"),
        [
            "1: routes.uris: names no route",
            "1: routes.backends: names no backend"
        ]
    );
    assert_eq!(
        faults("- uris: [a.com]\n  backend: []\n"),
        [
            "1: routes.backends: names no backend",
            "2: routes.backend: no such key, did you mean backends?"
        ]
    );
    assert_eq!(
        faults("routes:\n- uris: [a.com]\n  backends: [{address: \"b:80\", weight: 0}]\n"),
        ["3: routes.backends.weight: must be at least 1"]
    );
    assert_eq!(
        faults("- uris: [a.com]\n  backends: [\"b:80\"]\n  timeouts: {idle: 90}\n"),
        [
            "3: routes.timeouts.idle: without a unit this is 90 nanoseconds; write 90s for \
          seconds"
        ]
    );
    let one = "routes: [{uris: [a.com], backends: [\"b:80\"]}]";
    assert_eq!(parse_routes(one, &none).unwrap().len(), 1);
}

#[test]
fn the_same_twice_is_refused() {
    let backends = "backends: [\"b:80\"]";
    refuse(
        &format!(
            "routes:\n- {{uris: [a.com, b.com], {backends}}}\n- {{uris: A.com/, {backends}}}\n"
        ),
        "router.yml:3: routes.uris: \"A.com/\" is in line 2 already",
    );
    refuse(
        &format!("routes:\n- uris:\n  - a.com/x\n  - a.com/x\n  {backends}\n"),
        "router.yml:4: routes.uris: \"a.com/x\" is in line 3 already",
    );
    refuse(
        "routes: [{uris: [a], backends: ['b:80', 'c:80', 'B:80']}]",
        "router.yml:1: routes.backends: \"B:80\" is there twice; give it a weight",
    );
    let taken = HashSet::from([RouteKey::parse("a.com").unwrap()]);
    let faults = parse_routes(&format!("- {{uris: [b.com, a.com], {backends}}}"), &taken);
    assert_eq!(
        faults.unwrap_err()[0].to_string(),
        "1: routes.uris: \"a.com\" is in the configuration, too"
    );
}

#[test]
fn nothing_said_about_routes_is_not_none() {
    let none = HashSet::new();
    for text in [
        "",
        "# - uris\n",
        "---\n",
        "null",
        "~\n",
        "{}",
        "routes:\n",
        "routes: ~",
        "{routes: }",
    ] {
        let faults = parse_routes(text, &none).unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "1: names no routes; [] is the list without any",
            "{text}"
        );
    }
    for text in ["[]", "routes: []", "--- []\n"] {
        assert_eq!(parse_routes(text, &none), Ok(Vec::new()), "{text}");
    }
    refuse(
        "routes:\nlisteners: ~\n",
        "router.yml:1: routes: has no value; [] is the empty list\n\
         router.yml:2: listeners: has no value; [] is the empty list",
    );
}

#[test]
fn a_misspelt_key_of_a_file_of_ours_is_a_mistake() {
    refuse(
        "listeners: [':80']\nroute_file: r.yml\nlogging: {levle: info, x: 1}\nfrontend: 1\n",
        "router.yml:2: route_file: no such key, did you mean routes_file?\n\
         router.yml:3: logging.levle: no such key, did you mean level?\n\
         router.yml:3: logging.x: no such key\n\
         router.yml:4: frontend: no such key",
    );
    refuse(
        "listeners: [{adress: ':80'}]",
        "router.yml:1: listeners.address: is missing\n\
         router.yml:1: listeners.adress: no such key, did you mean address?",
    );
    refuse(
        "workers: 2\nenable_sll: true\n",
        "router.yml:2: enable_sll: no such key, did you mean enable_ssl?",
    );
    // It can only be meant for us.
    refuse(
        "port: 80\nlisteneers: [':80']",
        "router.yml:2: listeneers: no such key, did you mean listeners?",
    );
    // Values that gorouter does not know make it ours as well.
    refuse("nats: off\nx: 1", "router.yml:2: x: no such key");
    refuse("status: {port: off}\nx: 1", "router.yml:2: x: no such key");
    let junk = "clientauthcertificate: {certificate: []}\ncapool: {}\noauth: {port: 8443}\n";
    warn(&format!("workers: 2\n{junk}"), &[]);
    warn(
        "x: 1\nport: 80",
        &["router.yml:1: unknown, ignored: x (line 1)"],
    );
}

#[test]
fn durations_of_ours_have_a_unit() {
    refuse(
        "client_read_stall: 60",
        "router.yml:1: client_read_stall: without a unit this is 60 nanoseconds; write 60s for \
         seconds",
    );
    refuse(
        "client_read_stall: -1s",
        "router.yml:1: client_read_stall: must be more than 0s\n\
         router.yml:1: client_read_stall: \"-1s\" is below zero; it counts as 0s",
    );
    assert_eq!(
        config("first_byte_timeout: 0").backend.first_byte_timeout,
        None
    );
    // As Go reads it, also beside keys of ours.
    let nanos = config("workers: 2\nendpoint_timeout: 60000000000");
    assert_eq!(
        nanos.backend.endpoint_timeout,
        Some(Duration::from_secs(60))
    );
}

#[test]
fn variables_are_replaced_in_files_of_ours() {
    // cargo sets it for every test.
    let name = "${CARGO_PKG_NAME}";
    assert_eq!(
        config(&format!("workers: 2\nzone: '{name}'")).process.zone,
        "router"
    );
    assert_eq!(
        config(&format!("port: 80\nzone: '{name}'")).process.zone,
        name
    );
    assert_eq!(config("workers: 2\nzone: $${x}").process.zone, "${x}");
    refuse(
        "workers: 2\nzone: ${NOBODY_SETS_THIS}\nindex: ${NOR_THIS}\nnats: {pass: '${'}",
        "router.yml:2: zone: ${NOBODY_SETS_THIS}: NOBODY_SETS_THIS is not set in the environment\n\
         router.yml:3: index: ${NOR_THIS}: NOR_THIS is not set in the environment\n\
         router.yml:4: nats.pass: ${ without its }; write $${ for a plain ${",
    );
    let routes = format!("- {{uris: ['{name}.com'], backends: ['b:80']}}");
    let routes = parse_routes(&routes, &HashSet::new()).unwrap();
    assert_eq!(routes[0].uris, ["router.com"]);
}

#[test]
fn what_gorouter_takes_is_taken() {
    let check = |text: &str, expected: &dyn Fn(&Config) -> bool| {
        assert!(expected(&config(text)), "{text}");
    };
    check("logging: {level: ''}", &|c| c.logging.level == Level::Info);
    check("logging: {level: DPANIC}", &|c| {
        c.logging.level == Level::Error
    });
    for word in ["''", "unix-epoch", "rfc1123"] {
        check(
            &format!("logging: {{format: {{timestamp: {word}}}}}"),
            &|c| c.logging.timestamp == Timestamp::UnixEpoch,
        );
    }
    let fields = [ExtraField::BackendTime];
    check(
        "logging: {extra_access_log_fields: [x, backend_time, '']}",
        &|c| c.access_log.format.extra_fields == fields,
    );
    check("backends: {max_conns: -1, max_attempts: -1}", &|c| {
        (c.backend.max_conns, c.backend.max_attempts) == (0, 1)
    });
    check("max_idle_conns: -1\nmax_idle_conns_per_host: -1", &|c| {
        (c.backend.max_idle, c.backend.max_idle_per_endpoint) == (0, 0)
    });
    check(
        "max_request_header_bytes: -1\nmax_request_headers: -1",
        &|c| c.client == Config::default().client,
    );
    check(
        "max_response_header_bytes: -1\nmax_response_headers: -1",
        &|c| c.backend == Config::default().backend,
    );
    check("go_max_procs: -7", &|c| c.workers == Workers::PerCore);
    check("endpoint_timeout: -1s\nread_header_timeout: -1s", &|c| {
        c.backend.endpoint_timeout.is_none() && c.client.head_timeout == Duration::from_secs(10)
    });
    check(
        "debug_addr: ''\npid_file: ''\naccess_log: {file: ''}",
        &|c| c.admin.debug.is_none() && c.process.pid_file.is_none() && c.access_log.file.is_none(),
    );
    // Thirty nanoseconds: somebody meant seconds.
    let often = "prune_stale_droplets_interval: 30\nnats_client_ping_interval: 20";
    let floor = Duration::from_millis(100);
    check(often, &|c| {
        c.registry.prune_interval == floor && c.bus.as_ref().unwrap().ping_interval == floor
    });
    // In a file of ours a word that nobody knows is a mistake.
    refuse(
        "workers: 2\nlogging: {format: {timestamp: rfc339}}",
        "router.yml:2: logging.format.timestamp: \"rfc339\" is none of unix-epoch, rfc3339",
    );
}

#[test]
fn the_log_goes_where_its_readers_look() {
    let output = |text: &str| config(text).logging.output;
    assert_eq!(output("port: 80"), LogOutput::Stdout);
    assert_eq!(output(GOROUTER), LogOutput::Stdout);
    assert_eq!(output("workers: 2"), LogOutput::Stderr);
    assert_eq!(output("logging: {output: stdout}"), LogOutput::Stdout);
    assert_eq!(output("logging: {output: stderr}"), LogOutput::Stderr);
    assert_eq!(
        config("logging: {format: {lines: text}}").logging.lines,
        Lines::Text
    );
}

#[test]
fn quotes_that_are_missing_are_told() {
    let check = |text: &str, hint: &str| {
        let error = config_file::parse::<Config>(&"router.yml", text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("quote it: \"{hint}\"")), "{error}");
    };
    check("routes:\n- uris: [*.example.com]\n", "*.example.com");
    check("listeners: [{address: [::]:80}]\n", "[::]:80");
    check("listeners:\n- [::]:80\n", "[::]:80");
    check("status: {host: [::1]}\n", "[::1]");
}

#[test]
fn each_key_of_gorouter_is_read_or_judged() {
    for key in GOROUTER_KEYS.split_whitespace() {
        assert_ne!(ours::reads(key), unserved::judges(key), "{key}");
    }
}
