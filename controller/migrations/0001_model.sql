-- The model of the API. Times are microseconds since 1970; lists and maps are JSON; booleans are 0 and 1.
CREATE TABLE organizations (
    guid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    suspended BIGINT NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX organizations_name ON organizations (lower(name));

CREATE TABLE spaces (
    guid TEXT PRIMARY KEY,
    organization_guid TEXT NOT NULL REFERENCES organizations (guid) ON DELETE CASCADE,
    name TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX spaces_name ON spaces (organization_guid, lower(name));

CREATE TABLE users (
    guid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    origin TEXT NOT NULL,
    -- Empty: nobody can log in as this user.
    password_hash TEXT NOT NULL DEFAULT '',
    is_admin BIGINT NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX users_name ON users (lower(name), origin);

CREATE TABLE roles (
    guid TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
    organization_guid TEXT REFERENCES organizations (guid) ON DELETE CASCADE,
    space_guid TEXT REFERENCES spaces (guid) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX roles_once ON roles (user_guid, type, coalesce(organization_guid, ''), coalesce(space_guid, ''));
CREATE INDEX roles_space ON roles (space_guid);

CREATE TABLE domains (
    guid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    internal BIGINT NOT NULL DEFAULT 0,
    -- None: shared by all.
    organization_guid TEXT REFERENCES organizations (guid) ON DELETE CASCADE,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX domains_name ON domains (name);

CREATE TABLE apps (
    guid TEXT PRIMARY KEY,
    space_guid TEXT NOT NULL REFERENCES spaces (guid) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- STARTED or STOPPED: what is wanted.
    state TEXT NOT NULL,
    buildpacks TEXT NOT NULL DEFAULT '[]',
    stack TEXT NOT NULL,
    droplet_guid TEXT,
    -- Encrypted.
    environment TEXT NOT NULL DEFAULT '',
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX apps_name ON apps (space_guid, name);
CREATE INDEX apps_created ON apps (created_at, guid);

CREATE TABLE processes (
    guid TEXT PRIMARY KEY,
    app_guid TEXT NOT NULL REFERENCES apps (guid) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    command TEXT,
    instances BIGINT NOT NULL,
    memory_in_mb BIGINT NOT NULL,
    disk_in_mb BIGINT NOT NULL,
    health_check TEXT NOT NULL,
    -- Changes with everything that makes running instances obsolete.
    version TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX processes_type ON processes (app_guid, kind);

CREATE TABLE routes (
    guid TEXT PRIMARY KEY,
    space_guid TEXT NOT NULL REFERENCES spaces (guid) ON DELETE CASCADE,
    domain_guid TEXT NOT NULL REFERENCES domains (guid) ON DELETE CASCADE,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    options TEXT NOT NULL DEFAULT '{}',
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX routes_url ON routes (domain_guid, host, path);
CREATE INDEX routes_space ON routes (space_guid);

CREATE TABLE destinations (
    guid TEXT PRIMARY KEY,
    route_guid TEXT NOT NULL REFERENCES routes (guid) ON DELETE CASCADE,
    app_guid TEXT NOT NULL REFERENCES apps (guid) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    port BIGINT,
    protocol TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE UNIQUE INDEX destinations_once ON destinations (route_guid, app_guid, process_type, coalesce(port, 0));
CREATE INDEX destinations_app ON destinations (app_guid);

CREATE TABLE packages (
    guid TEXT PRIMARY KEY,
    app_guid TEXT NOT NULL REFERENCES apps (guid) ON DELETE CASCADE,
    state TEXT NOT NULL,
    error TEXT,
    sha256 TEXT,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX packages_app ON packages (app_guid);

CREATE TABLE droplets (
    guid TEXT PRIMARY KEY,
    app_guid TEXT NOT NULL REFERENCES apps (guid) ON DELETE CASCADE,
    package_guid TEXT,
    state TEXT NOT NULL,
    sha256 TEXT,
    stack TEXT NOT NULL,
    buildpacks TEXT NOT NULL DEFAULT '[]',
    process_types TEXT NOT NULL DEFAULT '{}',
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX droplets_app ON droplets (app_guid);
CREATE INDEX droplets_package ON droplets (package_guid);

CREATE TABLE builds (
    guid TEXT PRIMARY KEY,
    app_guid TEXT NOT NULL REFERENCES apps (guid) ON DELETE CASCADE,
    package_guid TEXT NOT NULL,
    droplet_guid TEXT,
    state TEXT NOT NULL,
    error TEXT,
    stack TEXT NOT NULL,
    buildpacks TEXT NOT NULL DEFAULT '[]',
    memory_in_mb BIGINT NOT NULL,
    disk_in_mb BIGINT NOT NULL,
    user_guid TEXT NOT NULL,
    user_name TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX builds_app ON builds (app_guid);
CREATE INDEX builds_state ON builds (state);

CREATE TABLE jobs (
    guid TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    state TEXT NOT NULL,
    errors TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX jobs_created ON jobs (created_at);

CREATE TABLE audit_events (
    guid TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    actor_guid TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    target_guid TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_name TEXT NOT NULL,
    data TEXT NOT NULL DEFAULT '{}',
    space_guid TEXT,
    organization_guid TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX audit_events_target ON audit_events (target_guid, created_at);

-- Keys of the token server, encrypted, and what was given out.
CREATE TABLE signing_keys (
    guid TEXT PRIMARY KEY,
    private_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE refresh_tokens (
    -- The digest of the token, which is nowhere else.
    digest TEXT PRIMARY KEY,
    user_guid TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
    -- The access token that it came with.
    access_token TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_guid);
