"""The page of EnOSlib's services: that it is of the table, and the table of all services."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import enoslib
import enoslib.service
from enoslib.service.service import Service

from enoslib_nxc import compat

DOCS = Path(__file__).parents[2] / "docs"

# importing EnOSlib runs ldconfig, which no test may; some of its packages have no __init__
MODULES = [
    enoslib,
    *(
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(enoslib.service.__path__, "enoslib.service.")
    ),
]


def _script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


services = _script("services")


def test_the_page_of_services_is_current():
    assert services.PAGE.read_text() == services.page(), "run docs/services.py"


def test_every_service_of_enoslib_is_in_the_table():
    found = {
        name
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Service) and not name.startswith("_")
    }
    assert len(found) > 10
    assert found - {"Service", "BaseNetem"} == {*compat.table().services}


def test_what_works_names_a_test_that_there_is_and_the_rest_a_reason():
    for name, service in compat.table().services.items():
        if service.state != "works":
            assert not service.test, name
            assert service.text, name
            continue
        file, _, test = service.test.partition("::")
        tree = ast.parse((DOCS.parent / file).read_text())
        (body,) = (
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == test
        )
        used = {node.attr for node in ast.walk(body) if isinstance(node, ast.Attribute)}
        assert name in used, f"{service.test} does not use {name}"


def test_services_name_what_the_option_knows():
    names = compat.table().names
    for service in compat.table().services.values():
        assert {*service.compat} <= {name for name, needs in names.items() if not needs.refused}
    named = {name for service in compat.table().services.values() for name in service.compat}
    assert {name for name in names if names[name].refused} == {"k3s"}
    assert named == {*names} - {"k3s"}
