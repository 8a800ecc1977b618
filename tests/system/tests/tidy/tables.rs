//! What may use what.

/// What each package may use of ours, proof (tests, benches) not counted. What is not in the
/// table must not be in the workspace.
pub(crate) const EDGES: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("bus", &["component-core", "protocol"]),
    ("component-core", &[]),
    ("component", &["bus", "component-core", "protocol"]),
    ("router-core", &["component-core", "protocol"]),
    ("router", &["bus", "component", "protocol", "router-core"]),
    ("router-registrar", &["bus", "protocol"]),
    ("dea-core", &["component-core", "protocol"]),
    (
        "dea",
        &[
            "bus",
            "component",
            "dea-core",
            "protocol",
            "router-registrar",
        ],
    ),
    ("controller-core", &["component-core", "protocol"]),
    (
        "controller",
        &[
            "bus",
            "component",
            "component-core",
            "controller-core",
            "protocol",
            "router-registrar",
        ],
    ),
    ("health-manager-core", &["component-core", "protocol"]),
    (
        "health-manager",
        &["bus", "component", "health-manager-core", "protocol"],
    ),
    ("kato", &["component"]),
    (
        "benches",
        &["bus", "component", "protocol", "router", "router-core"],
    ),
    (
        "load-tests",
        &["bus", "protocol", "tests-kit", "tests-kit-router"],
    ),
    ("cf-driver", &[]),
    ("sample-app", &["bus", "protocol", "router-registrar"]),
    ("second-program", &["bus", "component"]),
    ("tests-kit", &[]),
    ("tests-simulation", &[]),
    ("tests-kit-router", &["component", "router", "tests-kit"]),
    (
        "tests-cloud",
        &["component", "controller", "dea", "health-manager", "router"],
    ),
    (
        "tests-system",
        &[
            "bus",
            "component",
            "protocol",
            "router",
            "router-core",
            "tests-kit",
            "tests-kit-router",
        ],
    ),
];

/// Packages that exist to prove the others: nothing that ships may use them.
pub(crate) const PROOF: &[&str] = &[
    "benches",
    "cf-driver",
    "load-tests",
    "sample-app",
    "second-program",
    "tests-cloud",
    "tests-kit",
    "tests-kit-router",
    "tests-simulation",
    "tests-system",
];

/// Proof that the tests of what ships may use.
pub(crate) const KITS: &[&str] = &["cf-driver", "tests-kit", "tests-kit-router"];

/// What a core may use of others': no runtime, no socket, no clock, no chance.
pub(crate) const CORE_DEPENDENCIES: &[(&str, &[&str])] = &[
    // Its calendar alone.
    ("component-core", &["time"]),
    ("dea-core", &["serde", "serde_json"]),
    ("health-manager-core", &[]),
    (
        "controller-core",
        &["base64", "serde", "serde-saphyr", "serde_json", "thiserror"],
    ),
    (
        "router-core",
        &[
            "crc32fast",
            "foldhash",
            "indexmap",
            "memchr",
            "postcard",
            "ppp",
            "serde",
            "serde_json",
            "sha1",
            // Its calendar alone.
            "time",
            "uuid",
        ],
    ),
];
