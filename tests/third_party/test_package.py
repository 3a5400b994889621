"""The agent's Debian package: what is in it, and that it can be installed, run and purged."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT, Up, eventually

SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, capture_output=True, **more).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    # What the user's is made by, of the programs that the tests have built already.
    out = tmp_path_factory.mktemp("package") / "agent.deb"
    profile = os.environ.get("TIDINGS_TEST_PROFILE", "debug").replace("debug", "dev")
    run("cargo", "deb", "--locked", "--no-build", "--no-strip", "--profile", profile, "-p", "tidings-agent",
        "-o", str(out), cwd=ROOT)
    return out


def test_it_holds_what_it_should_with_modes_and_a_conffile(package):
    listed = run("dpkg-deb", "-c", str(package))
    for line in ("-rwxr-xr-x", "-rw-r-----", "./usr/lib/systemd/system/tidings-agent.service",
                 "./usr/share/man/man1/tidings-agent.1.gz", "./usr/share/man/man1/tidings-agent-run.1.gz",
                 "./usr/share/bash-completion/completions/tidings-agent"):
        assert line in listed, listed
    assert run("dpkg-deb", "-I", str(package), "conffiles").split() == ["/etc/tidings/agent.toml"]
    assert "Depends: adduser, libc6" in run("dpkg-deb", "-I", str(package))


def test_it_is_installed_run_as_its_own_user_and_purged_without_a_trace(package, tmp_path):
    if os.path.exists("/usr/bin/tidings-agent"):
        pytest.fail("a tidings-agent is installed here already, and this test would purge it: remove it, or run this elsewhere")
    up = Up(tmp_path / "data")
    try:
        run(*SUDO, "dpkg", "-i", str(package))
        groups = run("id", "-nG", "tidings").split()
        assert {"tidings", "i2c", "gpio", "spi"} <= set(groups), groups
        files = up.provision("bench")
        text = (files / "agent.toml").read_text() + '\n[queue]\npath = "/var/lib/tidings/queue.db"\n[batch]\nage = "200ms"\n'
        (files / "agent.toml").write_text(text.replace('interval = "10s"', 'interval = "100ms"'))
        for name in ("root-ca.pem", "device.pem.crt", "private.pem.key", "agent.toml"):
            run(*SUDO, "install", "-o", "tidings", "-g", "tidings", "-m", "600", files / name, f"/etc/tidings/{name}")
        as_user = [*SUDO, "setpriv", "--reuid=tidings", "--regid=tidings", "--init-groups"]
        agent = subprocess.Popen([*as_user, "/usr/bin/tidings-agent", "run"], stderr=subprocess.DEVNULL)
        eventually("its readings arrive", lambda: len(up.stored("bench", "host")) > 3)
        said = run(*as_user, "/usr/bin/tidings-agent", "queue")
        assert "by the agent that runs" in said, said
        run(*SUDO, "pkill", "-TERM", "-u", "tidings", "tidings-agent")
        assert agent.wait(60) == 0
    finally:
        run(*SUDO, "dpkg", "-P", "tidings-agent")
        up.stop()
    for path in ("/etc/tidings", "/var/lib/tidings", "/usr/bin/tidings-agent"):
        assert not os.path.exists(path), path
    assert subprocess.run(["id", "tidings"], capture_output=True).returncode != 0
    assert shutil.which("tidings-agent") is None
