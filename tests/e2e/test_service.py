#!/usr/bin/env python3
"""As a service: what patrond tells systemd, and the unit that `cmake --install` puts down, checked by systemd's own tools
where they are."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import WAIT_SECONDS, Server, check, equal, main, program, temp_dir  # noqa: E402

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# "OK" of `systemd-analyze security`: 10 is no sandbox at all.
EXPOSURE_MAX = 2.5


def listen(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(WAIT_SECONDS)
    return listener


def heard(listener):
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().splitlines())


def tells(address):
    """READY when it answers, RELOADING and READY on SIGHUP, STOPPING when it is told to."""
    listener = listen(address)
    os.environ["NOTIFY_SOCKET"] = "@" + address[1:] if address.startswith("\0") else address
    server = Server()
    server.spawn()
    said = heard(listener)
    check(said["READY"] == "1" and "127.0.0.1" in said["STATUS"], "ready: %r", said)
    server.kill()
    server.start()
    del os.environ["NOTIFY_SOCKET"]
    equal(heard(listener)["READY"], "1", "ready again")
    server.process.send_signal(signal.SIGHUP)
    said = heard(listener)
    check(said["RELOADING"] == "1" and int(said["MONOTONIC_USEC"]) > 0, "reloading: %r", said)
    equal(heard(listener)["READY"], "1", "reloaded")
    server.stop()
    equal(heard(listener)["STOPPING"], "1", "stopping")
    listener.close()


def nobody_listens():
    """A socket that is not there must not keep a server from starting."""
    os.environ["NOTIFY_SOCKET"] = "/nonexistent/socket"
    server = Server().start()
    server.stop()
    os.environ["NOTIFY_SOCKET"] = "nonsense"
    server.start()
    server.stop()
    del os.environ["NOTIFY_SOCKET"]


def unit_text(folder):
    with open(os.path.join(SOURCE, "tools", "systemd", "patrond.service.in"), encoding="utf-8") as file:
        text = file.read()
    for name, value in (("PATRON_BINDIR", folder), ("PATRON_DOCDIR", folder), ("PATRON_CONFDIR", "/etc/patron")):
        text = text.replace("@%s@" % name, value)
    check("@" not in re.sub(r"@(system-service|privileged|resources|obsolete)", "", text), "every place is filled in")
    return text


def options_are_real(text):
    """Options that the unit and the example file name are options that patrond has."""
    known = subprocess.run([program("PATROND"), "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
    with open(os.path.join(SOURCE, "tools", "systemd", "patrond.conf"), encoding="utf-8") as file:
        named = re.findall(r"^# ([a-z-]+) = ", file.read(), re.M)
    start = re.search(r"^ExecStart=(.*)$", text, re.M).group(1)
    for name in named + [word[2:] for word in start.split() if word.startswith("--")]:
        check("--%s " % name in known, "patrond has no option %s", name)
    check(len(named) > 3, "the example says something")


def systemd_agrees(folder, text):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        print("systemd-analyze is not here: the unit is not checked by it")
        return
    shutil.copy(program("PATROND"), os.path.join(folder, "patrond"))
    unit = os.path.join(folder, "patrond.service")
    with open(unit, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([tool, "verify", "--man=no", unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    said = "\n".join(line for line in done.stdout.decode().splitlines() if "patrond.service" in line)
    equal((done.returncode, said), (0, ""), "systemd-analyze verify; it said %s" % done.stdout.decode())
    done = subprocess.run([tool, "security", "--offline=yes", "--threshold=%d" % (10 * EXPOSURE_MAX), unit], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)
    said = done.stdout.decode()
    if "unrecognized option" in said or "Unknown" in said:
        print("systemd-analyze security has no --offline here: not checked")
        return
    equal(done.returncode, 0, "systemd-analyze security: %s" % said)
    print(said.splitlines()[-1].strip())


def run():
    tells(os.path.join(temp_dir(), "notify"))
    tells("\0patron-test-%d" % os.getpid())
    nobody_listens()
    folder = temp_dir()
    text = unit_text(folder)
    options_are_real(text)
    systemd_agrees(folder, text)


main(run)
