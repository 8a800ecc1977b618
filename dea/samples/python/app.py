"""Says hello, and which instance it is."""

import os

from bottle import route, run


@route("/")
def hello():
    return "Hello from Python, instance %s\n" % os.environ.get("CF_INSTANCE_INDEX", "-")


run(host="0.0.0.0", port=int(os.environ["PORT"]))
