"""What a hostile app tries. Each line that is printed is the name of a probe and what came of it."""

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import sys

gateway, node, port, neighbour = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)


def probe(name, attempt):
    try:
        attempt()
        print(name, "succeeded", flush=True)
    except OSError as error:
        print(name, errno.errorcode.get(error.errno, error), flush=True)


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def status(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return line.split()[1]


print("uid", os.getuid(), os.getgid())
print("capabilities", int(status("CapEff"), 16), int(status("CapBnd"), 16))
print("no-new-privileges", status("NoNewPrivs"), "filter", status("Seccomp"))
print("mapped", open("/proc/self/uid_map").read().split()[:2])
print("files", *resource.getrlimit(resource.RLIMIT_NOFILE))
print("core", *resource.getrlimit(resource.RLIMIT_CORE))

with open("/proc/net/if_inet6") as file:
    print("addresses-of-ipv6", sum(line.split()[-1] != "lo" for line in file))

calls = {
    "x86_64": dict(unshare=272, mount=165, keyctl=250, bpf=321, perf_event_open=298, userfaultfd=323,
                   io_uring_setup=425, ptrace=101, process_vm_readv=310, setns=308, chroot=161),
    "aarch64": dict(unshare=97, mount=40, keyctl=219, bpf=280, perf_event_open=241, userfaultfd=282,
                    io_uring_setup=425, ptrace=117, process_vm_readv=270, setns=268, chroot=51),
}[platform.machine()]
NEW_USER = 0x10000000
arguments = {"unshare": (NEW_USER,), "io_uring_setup": (1, ctypes.create_string_buffer(256)),
             "process_vm_readv": (os.getpid(), None, 0, None, 0, 0), "chroot": (b"/tmp",)}
for name, number in calls.items():
    probe(name, lambda: call(number, *arguments.get(name, (0, 0, 0, 0, 0))))
probe("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
probe("raw-socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
probe("device", lambda: os.mknod("/home/vcap/disk", 0o60600, os.makedev(7, 0)))
probe("root-file-system", lambda: open("/usr/bin/ours", "w"))
probe("kernel-setting", lambda: open("/proc/sys/kernel/core_pattern", "w"))


def connect(address):
    with socket.socket() as stream:
        stream.settimeout(5)
        stream.connect(address)


probe("metadata", lambda: connect(("169.254.169.254", 80)))
probe("gateway", lambda: connect((gateway, port)))
probe("node", lambda: connect((node, port)))
probe("neighbour", lambda: connect((neighbour, 8080)))
probe("refused", lambda: connect(("198.51.100.1", 80)))


def fill(path):
    with open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))


def crowd():
    os.mkdir("/home/vcap/crowd")
    for number in range(1_000_000):
        open("/home/vcap/crowd/%d" % number, "w").close()


def fork():
    for _ in range(1000):
        if os.fork() == 0:
            signal.pause()


probe("many-files", crowd)
probe("large-file", lambda: fill("/home/vcap/large"))
probe("large-tmp", lambda: fill("/tmp/large"))
os.unlink("/tmp/large")
probe("processes", fork)
os.kill(-1, 9)
