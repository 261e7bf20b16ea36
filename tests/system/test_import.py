"""What importing the package gives, in a process that has imported nothing else."""

from __future__ import annotations

from tests.system import lab


def test_both_ways_of_importing():
    lab.python(
        """
        import enoslib, enoslib_nxc
        assert enoslib.NixOSCompose is enoslib_nxc.NixOSCompose
        assert enoslib.NixOSComposeConf is enoslib_nxc.NixOSComposeConf

        import enoslib_nxc as en
        assert en.run_command is enoslib.run_command
        for name in ("run_command", "actions", "Netem", "Providers", "Roles", "set_config"):
            assert getattr(en, name) is getattr(enoslib, name) and name in dir(en), name
        from enoslib_nxc import NixOSCompose, Netem, run_command
        """
    )


def test_every_name_of_enoslib_that_is_no_module():
    done = lab.python(
        """
        from types import ModuleType
        import enoslib
        import enoslib_nxc as en

        names = [
            name for name, value in vars(enoslib).items()
            if not name.startswith("_") and not isinstance(value, ModuleType)
        ]
        assert [n for n in names if getattr(en, n, None) is not getattr(enoslib, n)] == []
        assert set(names) <= set(dir(en))
        assert [name for name in dir(en) if not hasattr(en, name)] == []
        print(len(names))
        """
    )
    assert int(done.stdout) > 50


def test_names_that_nobody_has():
    """EnOSlib's modules are not given: the same names are modules of ours."""
    lab.python(
        """
        import enoslib_nxc as en
        for name in ("no_such_name", "infra", "config", "logging", "__wrapped__"):
            try:
                getattr(en, name)
            except AttributeError as error:
                assert str(error) == f"module 'enoslib_nxc' has no attribute {name!r}"
            else:
                raise AssertionError(name)
        import enoslib_nxc.config
        assert en.config is enoslib_nxc.config and hasattr(en.config, "Settings")
        """
    )


def test_importing_stays_cheap():
    """The working parts, and pydantic, come in when they are needed."""
    done = lab.python(
        """
        import sys
        import enoslib
        before = set(sys.modules)
        import enoslib_nxc
        conf = enoslib_nxc.NixOSComposeConf()
        assert "pydantic" not in sys.modules
        ours = sorted(name for name in sys.modules if name.startswith("enoslib_nxc."))
        print(*ours)
        others = {name.partition(".")[0] for name in set(sys.modules) - before}
        # "enoslib": its name for what en.check() asks of us
        print(*sorted(others - set(sys.stdlib_module_names) - {"enoslib_nxc", "enoslib"}))
        """
    )
    ours, others = done.stdout.splitlines()
    assert not {"enoslib_nxc.deploy", "enoslib_nxc.nix", "enoslib_nxc.shell"} & set(
        ours.split()
    )
    assert others.split() == []


def test_help_stays_cheap():
    done = lab.python(
        """
        import sys
        import enoslib
        before = set(sys.modules)
        from enoslib_nxc import cli
        try:
            cli.main(["up", "--help"])
        except SystemExit as end:
            assert end.code == 0
        print(*sorted(set(sys.modules) - before), file=sys.stderr)
        """
    )
    loaded = set(done.stderr.split())
    assert "enoslib_nxc.commands.up" in loaded
    assert not {"pydantic", "rich.table", "enoslib_nxc.flavours", "enoslib_nxc.shell"} & loaded
