"""Where this program runs, and how it reaches a site from there."""

import socket

import pytest

from enoslib_nxc.config_g5k import G5k
from enoslib_nxc.g5k import where
from enoslib_nxc.g5k.where import Where


@pytest.fixture
def at(monkeypatch):
    def at(name, user="ada"):
        monkeypatch.setattr(socket, "getfqdn", lambda: name)
        monkeypatch.setattr(where.getpass, "getuser", lambda: user)

    return at


@pytest.mark.parametrize(
    ("name", "kind", "site"),
    [
        ("laptop.home", Where.OUTSIDE, ""),
        ("localhost", Where.OUTSIDE, ""),
        ("flille.lille.grid5000.fr", Where.FRONTEND, "lille"),
        ("dahu-12.grenoble.grid5000.fr", Where.NODE, "grenoble"),
        ("access-south.grid5000.fr", Where.FRONTEND, "access-south"),
    ],
)
def test_where(at, name, kind, site):
    at(name)
    assert (where.where(), where.site()) == (kind, site)


@pytest.mark.parametrize(
    ("name", "gateway", "words"),
    [
        ("laptop", "auto", ("-J", "ada@access.grid5000.fr")),
        ("flille.lille.grid5000.fr", "auto", ()),
        ("laptop", "no", ()),
        ("laptop", "bastion", ("-J", "ada@bastion")),
        ("dahu-1.grenoble.grid5000.fr", "me@bastion:2222", ("-J", "me@bastion:2222")),
    ],
)
def test_jump(at, name, gateway, words):
    at(name)
    assert where.jump(G5k(gateway=gateway), "ada") == words


def test_another_ssh_configuration(at, tmp_path):
    at("laptop")
    settings = G5k(ssh_config=tmp_path)
    assert where.jump(settings, "ada")[:3] == ("-F", str(tmp_path), "-J")


@pytest.mark.parametrize(
    ("name", "user", "local"),
    [
        ("flille.lille.grid5000.fr", "ada", True),
        ("chiclet-1.lille.grid5000.fr", "ada", True),
        ("chiclet-1.lille.grid5000.fr", "root", False),
        ("frennes.rennes.grid5000.fr", "ada", False),
        ("laptop", "ada", False),
    ],
)
def test_where_the_home_is_mounted(at, name, user, local):
    at(name, user)
    assert (where.frontend(G5k(), "lille", "ada") is None) is local


def test_the_frontend_of_a_site(at):
    at("laptop")
    access = where.frontend(G5k(), "lille", "ada")
    assert (access.name, access.address) == ("lille.grid5000.fr", "lille.grid5000.fr")
    assert (access.user, access.key, access.known_hosts) == ("ada", None, None)
    assert access.via == (
        *("-J", "ada@access.grid5000.fr"),
        *("-o", "StrictHostKeyChecking=accept-new"),
    )


def test_the_public_directory():
    assert where.public_url(G5k(), "lille", "ada") == "http://public.lille.grid5000.fr/~ada"
    settings = G5k(public_url="http://127.0.0.1:80/")
    assert where.public_url(settings, "lille", "ada") == "http://127.0.0.1:80"
