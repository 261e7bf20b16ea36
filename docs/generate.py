"""Write docs/configuration.md from the configuration's models: python docs/generate.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from enoslib_nxc.config import Settings

PAGE = Path(__file__).with_name("configuration.md")

HEAD = """# Configuration

This page is made from the configuration's models by `python docs/generate.py`. The same as
JSON schema, for editors: `enoslib-nxc schema`.

```yaml
composition: embedded
flavour: vm-ramdisk
job_name: my-experiment
roles:
  server: 1                           # one machine, host name "server"
  agent: {nodes: 2, tags: [compute]}  # agent1 and agent2, also under "compute"
  database: [alpha, beta]             # two machines of these names
vm: {memory: 512}
```

The same in Python: `NixOSComposeConf.from_dictionary({...})`, `.from_file("conf.yaml")`, or
`.from_settings(flavour=...).add_machine(roles=["agent", "compute"], nodes=2)`, where the
first of `roles` is the composition's role and the others are tags. What is wrong is told
all at once, with the key, before anything is built or started.
"""


def _kind(field: dict[str, Any]) -> str:
    options = field.get("anyOf", [field])
    names = []
    for option in options:
        if "enum" in option:
            names.append(", ".join(str(value) for value in option["enum"]))
        elif "$ref" in option:
            names.append(option["$ref"].rpartition("/")[2].lower())
        elif option.get("type") == "array":
            names.append("list")
        elif option.get("type") == "object":
            names.append("mapping")
        elif option.get("type") != "null":
            names.append(str(option.get("type", "any")))
    return " or ".join(dict.fromkeys(names))


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value is None or value in ("", [], {}):
        return ""
    return "" if isinstance(value, dict) else f"`{value}`"


def _table(schema: dict[str, Any], prefix: str) -> list[str]:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    # a role may also be given in short: its object form is one of several
    described = next(s for s in (schema, *schema.get("anyOf", [])) if "properties" in s)
    for name, field in described["properties"].items():
        if "$ref" in field or "$ref" in str(field.get("allOf", "")):
            continue
        meaning = str(field.get("description", "")).replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | {_kind(field)} | {_default(field)} | {meaning} |")
    return rows


def page() -> str:
    """Return the text of the page."""
    schema = Settings.model_json_schema()
    parts = [HEAD, "## Top level\n", *_table(schema, ""), ""]
    sections = {"roles.NAME": "Role", "build": "Build", "ssh": "Ssh", "vm": "Vm"}
    sections |= {"docker": "Docker", "nspawn": "Nspawn", "kexec": "Kexec", "g5k": "G5k"}
    sections |= {"deadlines": "Deadlines", "retries": "Retries", "networks[]": "Network"}
    for key, model in sections.items():
        described = schema["$defs"][model]
        text = " ".join(described.get("description", "").replace("\n\n", " ").split())
        parts += [f"## {key}\n", f"{text}\n", *_table(described, f"{key}."), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
