from __future__ import annotations

import base64
from pathlib import Path

import pytest

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.keys import is_public_key, public_keys


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def blob(kind: str, body: bytes = b"body") -> bytes:
    return string(kind.encode()) + string(body)


def public(kind: str = "ssh-ed25519", body: bytes = b"body", comment: str = "") -> str:
    return f"{kind} {base64.b64encode(blob(kind, body)).decode()} {comment}".strip()


def private(kind: str = "ssh-ed25519", cipher: bytes = b"none") -> str:
    """A key file as OpenSSH's PROTOCOL.key has it, its secret part made up."""
    data = b"openssh-key-v1\0" + string(cipher) + string(b"none") + string(b"")
    data += (1).to_bytes(4, "big") + string(blob(kind)) + string(b"secret")
    begin, end = ("-----" + word + " OPENSSH PRIVATE KEY-----\n" for word in ("BEGIN", "END"))
    return begin + base64.encodebytes(data).decode() + end


def pem(head: str = "") -> str:
    return f"-----BEGIN RSA PRIVATE KEY-----\n{head}QUJD\n-----END RSA PRIVATE KEY-----\n"


def put(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def refused(key: Path, **more: list[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        public_keys(key, **more)
    return str(caught.value)


@pytest.mark.parametrize(
    "kind",
    ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com", "ssh-new"],
)
def test_any_type_is_a_key(kind: str) -> None:
    assert is_public_key(public(kind))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# comment",
        "The agent has no identities.",
        "ssh-rsa AAAA",
        "ssh-rsa ???",
        public("ssh-rsa").replace("ssh-rsa", "ssh-dss", 1),
        public("ssh-ed25519-cert-v01@openssh.com"),
    ],
)
def test_no_key(line: str) -> None:
    assert not is_public_key(line)


def test_by_default_every_key_of_the_user_once(tmp_path: Path) -> None:
    ssh = tmp_path / ".ssh"
    put(ssh / "id_rsa.pub", public("ssh-rsa", comment="u@h") + "\n")
    put(ssh / "id_ed25519.pub", public("ssh-ed25519") + "\n")
    put(ssh / "id_x-cert.pub", public("ssh-rsa-cert-v01@openssh.com"))
    put(ssh / "id_junk.pub", "junk")
    put(ssh / "other.pub", public("ssh-rsa", b"other"))
    agent = [public("ssh-rsa", comment="again"), public("sk-x"), "The agent has no identities."]
    assert public_keys(None, home=tmp_path, agent=agent) == (
        public("ssh-ed25519"),
        public("ssh-rsa", comment="u@h"),
        public("sk-x"),
    )


def test_a_user_without_keys(tmp_path: Path) -> None:
    assert public_keys(None, home=tmp_path) == ()


def test_private_key_without_its_pub(tmp_path: Path) -> None:
    assert public_keys(put(tmp_path / "k", private())) == (public(),)


def test_pub(tmp_path: Path) -> None:
    assert public_keys(put(tmp_path / "k.pub", public(comment="me"), 0o644)) == (
        public(comment="me"),
    )


def test_pem_with_its_pub(tmp_path: Path) -> None:
    put(tmp_path / "k.pub", public("ssh-rsa"))
    assert public_keys(put(tmp_path / "k", pem())) == (public("ssh-rsa"),)


def test_pem_without_its_pub(tmp_path: Path) -> None:
    key = put(tmp_path / "k", pem())
    assert refused(key) == (
        f"ssh.key: {key}.pub: no such file\n-> ssh-keygen -y -f {key} > {key}.pub"
    )


def test_absent(tmp_path: Path) -> None:
    assert refused(tmp_path / "k") == f"ssh.key: {tmp_path}/k: no such file"


@pytest.mark.parametrize(
    "text", ["hello", "", private().replace("\n", "\n!", 1), "-----BEGIN CERTIFICATE-----\n"]
)
def test_not_a_key(tmp_path: Path, text: str) -> None:
    key = put(tmp_path / "k", text)
    assert refused(key) == f"ssh.key: {key}: not an ssh key"


def test_not_a_public_key(tmp_path: Path) -> None:
    key = put(tmp_path / "k.pub", "hello")
    assert refused(key) == f"ssh.key: {key}: not an ssh key"


def test_binary(tmp_path: Path) -> None:
    key = tmp_path / "k"
    key.write_bytes(b"\xff\xfe")
    assert refused(key) == f"ssh.key: {key}: not an ssh key"


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_args: object, **_kwargs: object) -> str:
        raise PermissionError(13, "Permission denied")  # root may read anything

    monkeypatch.setattr(Path, "read_text", denied)
    assert refused(tmp_path / "k") == f"ssh.key: {tmp_path}/k cannot be read: permission denied"


def test_directory(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"ssh.key: {tmp_path} cannot be read: is a directory"


def test_open_to_others(tmp_path: Path) -> None:
    key = put(tmp_path / "k", private(), 0o644)
    assert refused(key) == (
        f"ssh.key: {key}: open to other users (mode 0644)\n-> chmod 600 {key}"
    )


@pytest.mark.parametrize(
    "text", [private(cipher=b"aes256-ctr"), pem("Proc-Type: 4,ENCRYPTED\n")]
)
def test_passphrase(tmp_path: Path, text: str) -> None:
    key = put(tmp_path / "k", text)
    put(tmp_path / "k.pub", public())
    assert public_keys(key) == (public(),)  # the agent was not asked
    assert public_keys(key, agent=[public(comment="held")]) == (public(),)
    assert refused(key, agent=[public("ssh-rsa")]) == (
        f"ssh.key: {key}: it has a passphrase, and no agent holds it\n"
        f"-> ssh-add {key}, and try again"
    )
