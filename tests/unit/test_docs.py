import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def _generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()  # importing EnOSlib runs ldconfig, which no test may


def test_the_configuration_page_is_current():
    assert (DOCS / "configuration.md").read_text() == generate.page(), "run docs/generate.py"
