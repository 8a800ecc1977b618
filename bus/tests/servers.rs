//! What only servers of flesh and blood can do to the bus: refuse, encrypt, hang, die.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::time::Duration;

use bus::{Bus, Event, Events, Identity, Login, Options, Server, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tests_kit::{NatsProgram, NatsServer, PATIENCE, TempDir};
use tokio::io::AsyncWriteExt as _;

fn options(servers: &[&NatsServer]) -> Options {
    let server = |server: &&NatsServer| Server {
        host: "localhost".to_owned(),
        port: server.port(),
    };
    Options {
        servers: servers.iter().map(server).collect(),
        ..Options::default()
    }
}

async fn next(events: &mut Events) -> Event {
    let event = tokio::time::timeout(PATIENCE, events.next()).await;
    event.expect("late").expect("open")
}

/// Waits for a connection and says to which port.
async fn connection(events: &mut Events) -> u16 {
    let connected = async {
        loop {
            if let Event::Connected { server, .. } = next(events).await {
                let (_, port) = server.rsplit_once(':').unwrap();
                break port.parse().unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, connected)
        .await
        .expect("connected in time")
}

#[tokio::test]
async fn a_password_is_asked_for() {
    for program in NatsProgram::all_for("login") {
        let directory = TempDir::new();
        drop(directory.file("nats.conf", "authorization {user: nats, password: secret}"));
        let server = NatsServer::configured(&program, directory);
        let mut options = options(&[&server]);
        for (password, expected) in [("wrong", false), ("secret", true)] {
            options.login = Some(Login {
                user: "nats".to_owned(),
                password: password.to_owned(),
            });
            let bus = Bus::connect(&options).unwrap();
            let event = next(&mut bus.events()).await;
            let connected = matches!(event, Event::Connected { .. });
            assert_eq!(connected, expected, "{event:?}");
            if let Event::Refused { reason } = event {
                assert!(reason.contains("Authorization Violation"), "{reason}");
                assert!(!reason.contains("wrong"), "{reason}");
            }
        }
    }
}

/// An authority, and a certificate that it gave to `localhost`.
struct Trust {
    authority: String,
    identity: Identity,
}

fn trust() -> Trust {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    Trust {
        authority: authority.pem(),
        identity: Identity {
            chain: certificate.pem(),
            key: key.serialize_pem(),
        },
    }
}

#[tokio::test]
async fn both_sides_show_a_certificate() {
    let ours = trust();
    let other = trust();
    for program in NatsProgram::all_for("tls") {
        let directory = TempDir::new();
        drop(directory.file("ca.pem", &ours.authority));
        drop(directory.file("chain.pem", &ours.identity.chain));
        drop(directory.file("key.pem", &ours.identity.key));
        drop(directory.file(
            "nats.conf",
            "tls {ca_file: ca.pem, cert_file: chain.pem, key_file: key.pem, verify: true}",
        ));
        let server = NatsServer::configured(&program, directory);
        let mut options = options(&[&server]);
        let rows = [
            (&ours.authority, Some(&ours.identity), true),
            (&ours.authority, None, false),
            (&ours.authority, Some(&other.identity), false),
            (&other.authority, Some(&ours.identity), false),
        ];
        for (row, (authorities, identity, expected)) in rows.into_iter().enumerate() {
            options.tls = Some(Tls {
                authorities: authorities.clone(),
                identity: identity.cloned(),
            });
            let bus = Bus::connect(&options).unwrap();
            let event = next(&mut bus.events()).await;
            let connected = matches!(event, Event::Connected { .. });
            assert_eq!(connected, expected, "row {row}: {event:?}");
        }
    }
}

#[tokio::test]
async fn a_text_that_is_no_certificate_is_a_wrong_option() {
    let mut options = Options::default();
    for text in [
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ] {
        options.tls = Some(Tls {
            authorities: text.to_owned(),
            identity: None,
        });
        let refused = Bus::connect(&options).unwrap_err().to_string();
        assert!(refused.contains("authorities"), "{refused}");
    }
    options.tls = None;
    options.servers.clear();
    Bus::connect(&options).unwrap_err();
}

#[tokio::test]
async fn the_second_server_takes_over() {
    for program in NatsProgram::all_for("fail-over") {
        let mut servers = [NatsServer::start(&program), NatsServer::start(&program)];
        let bus = Bus::connect(&options(&[&servers[0], &servers[1]])).unwrap();
        let mut events = bus.events();
        let port = connection(&mut events).await;
        let used = usize::from(port != servers[0].port());
        for used in [used, 1 - used, used] {
            servers[used].kill();
            assert_eq!(connection(&mut events).await, servers[1 - used].port());
            servers[used].restart();
        }
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_does_not_keep_us_from_the_others() {
    for program in NatsProgram::all_for("unknown server") {
        let server = NatsServer::start(&program);
        let mut options = options(&[&server]);
        options.servers.push(Server {
            host: "no-such-host.invalid".to_owned(),
            port: 4222,
        });
        for _ in 0..4 {
            let bus = Bus::connect(&options).unwrap();
            assert_eq!(connection(&mut bus.events()).await, server.port());
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    for program in NatsProgram::all_for("hanging server") {
        let server = NatsServer::start(&program);
        let mut options = options(&[&server]);
        options.ping_interval = Duration::from_millis(50);
        options.connect_timeout = Duration::from_millis(200);
        let bus = Bus::connect(&options).unwrap();
        let mut events = bus.events();
        connection(&mut events).await;
        server.pause();
        let lost = next(&mut events).await;
        assert!(matches!(lost, Event::Disconnected { .. }), "{lost:?}");
        server.resume();
        connection(&mut events).await;
    }
}

/// What a client makes of a server that says this first, whatever it is told.
async fn refusal(first_words: &'static str, tls: Option<Tls>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        servers: vec![Server {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        }],
        tls,
        ..Options::default()
    };
    let bus = Bus::connect(&options).unwrap();
    let mut events = bus.events();
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.write_all(first_words.as_bytes()).await.unwrap();
    loop {
        if let Event::Refused { reason } = next(&mut events).await {
            return reason.to_string();
        }
    }
}

#[tokio::test]
async fn what_is_said_before_the_encryption_is_not_believed() {
    let tls = || {
        Some(Tls {
            authorities: trust().authority,
            identity: None,
        })
    };
    let injected = "INFO {\"tls_required\":true}\r\nMSG router.register 1 2\r\n{}\r\n";
    let reason = refusal(injected, tls()).await;
    assert!(
        reason.contains("before the connection was encrypted"),
        "{reason}"
    );
    // Where the server asks for it, nothing goes out in plaintext either.
    let reason = refusal(injected, None).await;
    assert!(
        reason.contains("before the connection was encrypted"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_server_that_introduces_itself_wrongly_is_refused_with_the_reason() {
    for (first_words, expected) in [
        ("PING\r\n", "did not say what it is"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (
            "INFO {}\r\n-ERR 'Maximum Connections Exceeded'\r\n",
            "Maximum Connections",
        ),
    ] {
        let reason = refusal(first_words, None).await;
        assert!(reason.contains(expected), "{reason}");
    }
}
