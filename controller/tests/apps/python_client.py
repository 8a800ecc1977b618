"""Drives the controller as users of PyPI's cloudfoundry-client do: URL USER PASSWORD, with an app `quill`."""

import sys

from cloudfoundry_client.client import CloudFoundryClient
from cloudfoundry_client.errors import InvalidStatusCode
from cloudfoundry_client.v3.entities import ToOneRelationship

URL, USER, PASSWORD = sys.argv[1:]


def refused(status, words, call):
    try:
        call()
    except InvalidStatusCode as error:
        assert error.status_code.value == status, error
        assert words in str(error), error
        return
    raise AssertionError(f"not refused with {status}")


def logged_in():
    client = CloudFoundryClient(URL)
    client.init_with_user_credentials(USER, PASSWORD)
    return client


def check_login():
    client = CloudFoundryClient(URL)
    try:
        client.init_with_user_credentials(USER, "wrong")
        raise AssertionError("a wrong password is taken")
    except Exception as error:
        assert "unauthorized" in str(error) or "Bad credentials" in str(error), repr(error)
    client = logged_in()
    before = client.refresh_token
    client._refresh_token()
    assert client.refresh_token and client.refresh_token != before
    assert len(client.v3.organizations) == 1
    # A token that we did not make is exchanged for another one by itself.
    client._access_token = "x.y.z"
    assert client.v3.organizations.get_first()["name"] == "first"


def check_lists(v3):
    filled = ["apps", "domains", "droplets", "feature_flags", "organizations", "packages", "processes"]
    filled += ["roles", "routes", "spaces", "stacks", "users", "audit_events", "buildpacks"]
    for name in filled:
        manager = getattr(v3, name)
        entries = list(manager.list(per_page=2))
        assert entries, name
        assert len(entries) == len(manager), (name, len(entries), len(manager))
    empty = ["isolation_segments", "organization_quotas", "security_groups", "service_brokers"]
    empty += ["service_credential_bindings", "service_instances", "service_offerings", "service_plans", "tasks"]
    for name in empty:
        assert list(getattr(v3, name).list()) == [], name


def check_places(v3):
    names = [f"org {number}, of 5" for number in range(5)]
    for name in names:
        v3.organizations.create(name, suspended=False, meta_labels={"env": "test"})
    listed = [org["name"] for org in v3.organizations.list(per_page=2, order_by="name")]
    assert listed == ["first", *names], listed
    org = v3.organizations.get_first(order_by="-name")
    assert (org["name"], org["metadata"]["labels"]) == (names[-1], {"env": "test"})
    refused(422, "already exists", lambda: v3.organizations.create(names[0], suspended=False))
    refused(404, "CF-ResourceNotFound", lambda: v3.organizations["no-such-guid"])
    space = v3.spaces.create("dev", org["guid"])
    assert space.organization()["name"] == org["name"]
    found = v3.spaces.get_first(names="dev", organization_guids=[org["guid"]], include="organization")
    assert found.organization()["guid"] == org["guid"]
    for name in names[:-1]:
        v3.organizations.remove(v3.organizations.get_first(names=name.replace(",", "%2C"))["guid"])
    v3.organizations.remove(org["guid"], asynchronous=False)
    refused(404, "CF-ResourceNotFound", lambda: v3.spaces[space["guid"]])


def check_roles(v3):
    org = v3.organizations.get_first(names="first")
    space = v3.spaces.get_first(names="dev")
    guid = v3.users.create("somebody")["guid"]
    roles = []
    for kind, place, where in [
        ("organization_user", "organization", org),
        ("space_developer", "space", space),
    ]:
        relationships = {"user": ToOneRelationship(guid), place: ToOneRelationship(where["guid"])}
        roles.append(v3.roles._create({"type": kind, "relationships": relationships}))
    theirs = v3.roles.list(user_guids=[guid], include="user", order_by="created_at")
    listed = [(role["type"], role.user()["guid"]) for role in theirs]
    assert listed == [("organization_user", guid), ("space_developer", guid)], listed
    for role in reversed(roles):
        v3.roles.remove(role["guid"], asynchronous=False)
    assert v3.roles.len(user_guids=guid) == 0
    v3.users.remove(guid)


def check_app(v3):
    app = v3.apps.get_first(names="quill")
    assert app["state"] == "STARTED"
    assert app.space()["name"] == "dev"
    web = list(app.processes())[0]
    assert (web["type"], web["instances"]) == ("web", 1)
    assert [stats["state"] for stats in web.stats()] == ["RUNNING"]
    droplet = app.current_droplet()
    assert droplet["state"] == "STAGED"
    assert [package["state"] for package in v3.apps.list_packages(app["guid"])] == ["READY"]
    assert v3.apps.get_env(app["guid"])["system_env_json"] is not None
    route = list(v3.apps.list_routes(app["guid"]))[0]
    assert route["url"] == "quill.apps.test"
    assert route.domain()["name"] == "apps.test"
    assert v3.apps.restart(app["guid"])["state"] == "STARTED"
    assert app.stop()["state"] == "STOPPED"
    v3.apps.remove(app["guid"], asynchronous=False)
    refused(404, "App not found", lambda: v3.apps[app["guid"]])


check_login()
V3 = logged_in().v3
check_lists(V3)
check_places(V3)
check_roles(V3)
check_app(V3)
