"""Real builds with Nix of a flake without nixpkgs: as root, as a user, on another machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from enoslib_nxc import nix
from enoslib_nxc.built import Artifacts
from enoslib_nxc.config import Settings
from enoslib_nxc.errors import BuildError, ConfigError, ToolMissingError
from enoslib_nxc.events import Event, Status, silent
from enoslib_nxc.nix.site import Site, Wrap

from .loopback_ssh import LoopbackSsh

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("nix") is None, reason="needs Nix"),
]

NOBODY = 65534

FLAKE = r"""
{
  outputs = { self }: let
    system = "x86_64-linux";
    tools = "export PATH=/usr/bin:/bin; ";
    run = name: script: derivation {
      inherit name system;
      builder = "/bin/sh";
      args = [ "-c" (tools + script) ];
    };
    setup = if builtins.pathExists ./setup.toml
      then builtins.fromTOML (builtins.readFile ./setup.toml) else { };
    selected = (setup.project or { }).selected or "none";
    parameters = (setup.params or { }) // (setup.override-params or { });
    kernel = run "kernel" "echo kernel SALT > $out";
    initrd = run "initrd" "mkdir $out; echo initrd > $out/initrd";
    script = run "test-script" "echo pass > $out";
    chosen = "${selected} ${toString (parameters.n or 0)}";
    server = run "server" "mkdir $out; echo ${chosen} > $out/init";
    info = run "compositions-info.json" "echo '{\"server\": \"${server}\"}' > $out";
    tree = {
      flavour = { name = "vm-ramdisk"; description = ""; image.type = "ramdisk"; };
      inherit system;
      compositions_info_path = "${info}";
      compositions_info.composition = {
        test_script = "${script}";
        roles.server = "${server}";
      };
      all = {
        kernel = "${kernel}"; initrd = "${initrd}/initrd"; stage1 = "${initrd}";
        qemu_script = "/nix/store/dummy";
      };
    };
    broken = run "broken-role" ''
      for i in $(seq 22); do echo "line $i"; done
      echo "no such package" >&2; exit 3
    '';
  in {
    packages.${system} = {
      "composition::vm-ramdisk" = derivation {
        name = "compose-info.json";
        inherit system;
        builder = "/bin/sh";
        args = [ "-c" "echo \"$phase\" >&2; echo \"$text\" > $out" ];
        phase = "@nix " + builtins.toJSON { action = "setPhase"; phase = "pack"; };
        text = builtins.toJSON tree;
      };
      "broken::vm-ramdisk" = run "broken-info" "cat ${broken} > $out";
      "mute::vm-ramdisk" = run "mute" "exit 7";
      "undefined::vm-ramdisk" = (x: x.missing-name) { };
      "slow::vm-ramdisk" = run "slow" "sleep 60";
    };
  };
}
"""

SETUP = """
[project]
selected = "stale"
[params]
n = 1
[stale]
[dev]
[dev.options]
nix-flags = "--option max-jobs 2"
kernel-params = "quiet"
"""


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True)


@pytest.fixture
def area() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's own is not."""
    with TemporaryDirectory(prefix="nxc-nix-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        run("chmod", "-R", "u+w", path)


def write_flake(directory: Path, *, salt: str = "") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "flake.nix").write_text(FLAKE.replace("SALT", salt or str(directory)))
    return directory


def settings(name: str = "composition", **build: object) -> Settings:
    return Settings.model_validate(
        {"composition_name": name, "roles": {"server": {"nodes": 1}}, "build": build}
    )


def build(
    conf: Settings, flake: Path | str, *, wrap: Wrap | None = None, timeout: float = 120
) -> tuple[Artifacts, list[Event]]:
    events: list[Event] = []
    site = nix.site(conf.build, lambda _, words: (wrap or list)(words))
    artifacts = nix.build(
        conf,
        flake=str(flake),
        report=events.append,
        timeout=timeout,
        chosen=lambda: nix.choose(conf.build, site=site),
    )
    return artifacts, events


def failure(conf: Settings, flake: Path | str, *, timeout: float = 120) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build(conf, flake, timeout=timeout)
    return caught.value


def test_builds_reports_progress_and_then_has_nothing_to_do(area: Path) -> None:
    flake = write_flake(area / "flake")
    artifacts, events = build(settings(), flake)

    assert artifacts.store.real(artifacts.kernel).read_text() == f"kernel {flake}\n"
    assert artifacts.compose_info.is_file()
    assert list(artifacts.roles) == ["server"]
    assert artifacts.fingerprint == nix.fingerprint(settings(), str(flake)) != ""
    origin = artifacts.provenance
    assert set(origin.nar_hashes) == {artifacts.roles["server"].toplevel}
    assert origin.nar_hashes[artifacts.roles["server"].toplevel].startswith("sha256-")
    assert set(origin.digests) == {"kernel", "initrd"}
    assert {"nix", "enoslib", "python"} <= set(origin.versions)

    counts = [(e.done, e.total) for e in events if e.unit == "derivations"]
    assert counts[-1][0] == counts[-1][1] >= 2  # the kernel's and the compose info's, at least
    assert counts == sorted(counts, key=lambda count: count[0])
    said = " ".join(event.message for event in events)
    assert "compose-info.json (pack)" in said
    assert events[-1].status is Status.DONE

    again, events = build(settings(), flake)
    assert again == artifacts
    assert [e.status for e in events] == [Status.STARTED, Status.NOOP]
    assert nix.reusable(artifacts, nix.fingerprint(settings(), str(flake)))


def test_builds_in_an_alternative_store(area: Path) -> None:
    flake = write_flake(area / "flake")
    artifacts, _ = build(settings(store=str(area / "store")), flake)
    assert artifacts.store.root == area / "store"
    kernel = artifacts.store.real(artifacts.kernel)
    assert kernel == Path(f"{area}/store{artifacts.kernel}")
    assert kernel.read_text() == f"kernel {flake}\n"


def test_what_is_kept_survives_garbage_collection(area: Path) -> None:
    conf = settings(store=str(area / "store"))
    place, link = write_flake(area / "flake"), area / "deployment" / "result"
    link.parent.mkdir()
    built = nix.build(conf, flake=str(place), report=silent, timeout=90, keep=link)
    assert area / "store" / str(link.readlink()).lstrip("/") == built.compose_info
    store = nix.choose(conf.build)
    store.run("nix-store", "--gc", timeout=60)
    assert nix.reusable(built, built.fingerprint)
    assert built.store.real(built.roles["server"].init).is_file()
    shutil.rmtree(link.parent)  # as destroy() does
    store.run("nix-store", "--gc", timeout=60)
    assert not nix.reusable(built, built.fingerprint)


def test_a_user_without_daemon_builds_in_a_store_of_their_own(area: Path) -> None:
    """The whole of it in a process of that user, not just Nix."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    flake = write_flake(area / "flake")
    home = area / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    program = (
        "import sys; from enoslib_nxc import nix; from enoslib_nxc.config import Settings;"
        "conf = Settings(roles={'server': {'nodes': 1}});"
        "print(nix.build(conf, flake=sys.argv[1], report=lambda _: None, timeout=90)"
        ".model_dump_json())"
    )
    here = Path(__file__).parents[2]
    paths = os.pathsep.join(
        [str(here), *(path for path in sys.path if "site-packages" in path)]
    )
    python = shutil.which("python3", path="/usr/bin:/bin")  # ours may be in root's home
    assert python
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    clean = ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", f"PYTHONPATH={paths}"]
    ended = subprocess.run(
        [*user, *clean, python, "-c", program, str(flake)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=area,
    )
    assert ended.returncode == 0, ended.stderr
    artifacts = Artifacts.model_validate_json(ended.stdout)
    assert artifacts.store.root == home / ".local/share/enoslib-nxc/store"
    kernel = artifacts.store.real(artifacts.kernel)
    assert kernel.read_text() == f"kernel {flake}\n"
    assert kernel.stat().st_uid == NOBODY


def test_a_failed_build_names_the_derivation_and_shows_its_log(area: Path) -> None:
    error = failure(settings("broken"), write_flake(area / "flake"))
    assert error.brief == "broken-role failed to build: exit code 3"
    lines = error.details.splitlines()
    assert len(lines) == 20
    assert lines[0] == "line 4"
    assert lines[-2:] == ["line 22", "no such package"]
    assert error.resolution.startswith("see its whole log: nix-store --read-log /nix/store/")
    assert error.resolution.endswith("-broken-role.drv")


def test_a_failed_build_that_said_nothing(area: Path) -> None:
    error = failure(settings("mute"), write_flake(area / "flake"))
    assert error.brief == "mute failed to build: exit code 7"
    assert error.details == ""


def test_an_attribute_that_is_not_there(area: Path) -> None:
    flake = write_flake(area / "flake")
    error = failure(settings("compositon"), flake)
    assert error.brief == f'{flake} has no packages.x86_64-linux."compositon::vm-ramdisk"'
    assert error.details == (
        "it has: broken::vm-ramdisk, composition::vm-ramdisk, mute::vm-ramdisk, "
        "slow::vm-ramdisk, undefined::vm-ramdisk"
    )
    assert error.resolution.startswith("did you mean composition::vm-ramdisk")


def test_a_flake_without_compositions(area: Path) -> None:
    (area / "flake.nix").write_text("{ outputs = { self }: { }; }")
    error = failure(settings(), area)
    assert error.brief == f'{area} has no packages.x86_64-linux."composition::vm-ramdisk"'
    assert error.details == "it has no NAME::FLAVOUR at all"


def test_an_evaluation_error(area: Path) -> None:
    flake = write_flake(area / "flake")
    error = failure(settings("undefined"), flake)
    assert error.brief == (
        f"cannot evaluate undefined::vm-ramdisk of {flake}: attribute 'missing-name' missing"
    )
    assert "flake.nix:" in error.details
    assert "\x1b" not in str(error)
    assert "/nix/store" not in str(error)


def test_a_file_that_git_does_not_know(area: Path) -> None:
    flake = write_flake(area / "flake")
    run("git", "init", "-q", flake)
    error = failure(settings(), flake)
    assert error.resolution == f"git -C {flake} add FILE: Nix sees only files that git knows"


def test_a_build_that_does_not_end(area: Path) -> None:
    error = failure(settings("slow"), write_flake(area / "flake"), timeout=3)
    # what is left of the 3 s once the flake was found; shown as 3 where that took no time
    assert re.fullmatch(
        r"building slow::vm-ramdisk did not end within (2\.\d|3) s", error.brief
    )
    assert error.details == "being built: slow"
    error = failure(settings("slow"), area / "flake", timeout=0.01)
    assert error.brief == "building slow::vm-ramdisk did not end within 0.1 s"


def test_nix_missing(area: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = area / "bin"
    tools.mkdir()
    for name in ("sh", "id", "getent", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(ToolMissingError) as caught:
        build(settings(), write_flake(area / "flake"))
    assert caught.value.brief == "nix is not installed; it is needed to build the composition"
    assert caught.value.resolution == (
        "apt-get install nix-bin, or give a compose-info file that is already built "
        "as composition"
    )


def init_of(artifacts: Artifacts) -> str:
    return artifacts.store.real(artifacts.roles["server"].init).read_text()


@pytest.mark.parametrize("in_git", [False, True])
def test_variants_of_setup_toml_leave_the_users_file_alone(area: Path, *, in_git: bool) -> None:
    flake = write_flake(area / "repository" / "flake")
    (flake / "setup.toml").write_text(SETUP)
    if in_git:
        run("git", "init", "-q", flake.parent)
        run("git", "-C", flake.parent, "add", ".")
    plain, _ = build(settings(), flake)
    assert init_of(plain) == "none 1\n"  # what a former `nxc build` selected does not count
    dev, _ = build(settings(setup="dev", setup_params={"n": 5}), flake)
    assert init_of(dev) == "dev 5\n"
    assert dev.fingerprint != plain.fingerprint
    assert (flake / "setup.toml").read_text() == SETUP
    with pytest.raises(ConfigError) as caught:
        build(settings(setup="prod"), flake)
    assert caught.value.brief == f"{flake}/setup.toml has no variant 'prod' (build.setup)"
    assert caught.value.resolution == "set build.setup to one of: dev, stale"


def test_a_compose_info_that_is_already_built_needs_no_nix(
    area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flake = write_flake(area / "flake")
    built, _ = build(settings(store=str(area / "store")), flake)
    monkeypatch.setenv("PATH", str(area))
    artifacts, events = build(settings(), built.compose_info)
    assert artifacts.store.root == area / "store"
    assert artifacts.roles == built.roles
    assert events[-1].status is Status.NOOP
    assert nix.reusable(artifacts, nix.fingerprint(settings(), str(built.compose_info)))


def test_builds_on_another_machine(area: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(area / "cache"))
    flake = write_flake(area / "flake")
    (flake / "setup.toml").write_text(SETUP)
    with LoopbackSsh(area / "ssh") as server:
        conf = settings(
            on=f"ssh://127.0.0.1:{server.port}", store=str(area / "far"), setup="dev"
        )
        artifacts, events = build(conf, flake, wrap=server.wrap)
        assert (
            artifacts.store.root == area / f"cache/enoslib-nxc/remote/127.0.0.1:{server.port}"
        )
        assert artifacts.store.real(artifacts.kernel).read_text() == f"kernel {flake}\n"
        info = json.loads(artifacts.store.real(artifacts.compositions_info_path).read_text())
        assert info == {"server": artifacts.roles["server"].toplevel}
        assert artifacts.store.real(artifacts.test_script).read_text() == "pass\n"
        assert artifacts.provenance.nar_hashes
        assert any(event.unit == "derivations" for event in events)
        # the role itself stays there: a deployment does not read it here
        assert not artifacts.store.real(artifacts.roles["server"].toplevel).exists()
        far = area / "far" / artifacts.roles["server"].init.lstrip("/")
        assert far.read_text() == "dev 1\n"

        assert len(list((area / "ssh/cache/enoslib-nxc/sources").iterdir())) == 1

        again, events = build(conf, flake, wrap=server.wrap)
        assert again == artifacts
        assert events[-1].status is Status.NOOP

        broken = settings("broken", on=conf.build.on, store=conf.build.store)
        with pytest.raises(BuildError) as caught:
            build(broken, flake, wrap=server.wrap)
        assert caught.value.brief == (
            f"broken-role failed to build on 127.0.0.1:{server.port}: exit code 3"
        )
        assert caught.value.details.splitlines()[-1] == "no such package"


def test_another_machine_without_nix(area: Path) -> None:
    def wrap(argv: object) -> list[str]:
        return ["env", "-i", "PATH=/nonexistent", "/bin/sh", "-c", "exit 0"]

    with pytest.raises(ToolMissingError) as caught:
        nix.choose(settings().build, site=Site("far", wrap))
    assert caught.value.brief == (
        "nix is not installed on far; it is needed to build the composition"
    )


def test_another_machine_that_does_not_answer(area: Path) -> None:
    server = LoopbackSsh(area)  # never started
    conf = settings(on=f"ssh://127.0.0.1:{server.port}")
    with pytest.raises(BuildError) as caught:
        build(conf, write_flake(area / "flake"), wrap=server.wrap)
    assert caught.value.brief == (
        f"cannot find out what there is of Nix on 127.0.0.1:{server.port}: "
        "ssh failed with exit status 255"
    )
    assert "Connection refused" in caught.value.details


@pytest.mark.parametrize("name", ["with space", "plus+", "per%20cent", "é"])
def test_directories_with_odd_names(area: Path, name: str) -> None:
    artifacts, _ = build(settings(), write_flake(area / name, salt="odd"))
    assert artifacts.store.real(artifacts.kernel).read_text() == "kernel odd\n"
    run("git", "init", "-q", area)
    run("git", "-C", area, "add", ".")
    assert build(settings(), area / name)[0].kernel == artifacts.kernel


def test_sources_can_be_added_to_the_same_store(area: Path) -> None:
    store = nix.choose(settings(store=str(area / "store")).build)
    source = area / "some.deb"
    source.write_text("package")
    argv = store.argv("nix-store", "--add-fixed", "sha256", str(source))
    added = subprocess.run(
        argv, env={**os.environ, **store.env}, capture_output=True, text=True
    )
    assert added.returncode == 0, shlex.join(argv) + added.stderr
    assert store.map.real(added.stdout.strip()).read_text() == "package"
