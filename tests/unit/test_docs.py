import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def _script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _script("generate")  # importing EnOSlib runs ldconfig, which no test may


def test_the_configuration_page_is_current():
    assert (DOCS / "configuration.md").read_text() == generate.page(), "run docs/generate.py"


transposition = _script("transposition")


def test_the_page_of_figures_is_current():
    known = transposition.known()
    told = transposition.PAGE.read_text()
    assert told == transposition.page(known), "run docs/transposition.py"
    assert any(figures.where for figures in known.values())
