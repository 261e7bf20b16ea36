"""Pinned host keys."""

from pathlib import Path

from enoslib_nxc import pins

KEYS = "server ssh-ed25519 A\nserver ssh-rsa B\n"
OTHER = "agent ssh-ed25519 C\n"


def test_keys_get_another_name_at_once(tmp_path, monkeypatch):
    """Whoever looks at any moment, or is killed then, has them under the one or the other."""
    known = tmp_path / "known_hosts"
    known.write_text(f"{OTHER}{KEYS}spare ssh-ed25519 D\n")
    replace, seen = Path.replace, []

    def seen_after(new, target):
        done = replace(new, target)
        seen.append(known.read_text())
        return done

    monkeypatch.setattr(Path, "replace", seen_after)
    pins.rename(known, "server", "spare")
    assert seen == [OTHER + KEYS.replace("server", "spare")]
    assert list(tmp_path.iterdir()) == [known]


def test_keys_are_copied_under_other_names(tmp_path):
    known, places = tmp_path / "known_hosts", tmp_path / "places"
    known.write_text(f"{OTHER}{KEYS}")
    places.write_text("of before\n")
    pins.copy([(known, "server", "[127.0.0.1]:22022")], places)
    assert places.read_text() == KEYS.replace("server", "[127.0.0.1]:22022")
    assert known.read_text() == f"{OTHER}{KEYS}"
