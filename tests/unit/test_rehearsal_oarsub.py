import re

import pytest

from enoslib_nxc.rehearsal.oarsub import ALL, Group, Level, OarError, parse
from enoslib_nxc.rehearsal.resources import COLUMNS
from enoslib_nxc.rehearsal.where import condition

SERVERS = "network_address in ('chiclet-4.lille.grid5000.fr')"


@pytest.mark.parametrize(
    ("text", "groups", "walltime"),
    [
        ("nodes=2", [("", [("host", 2)])], 7200),
        ("/nodes=2,walltime=1", [("", [("host", 2)])], 3600),
        ("host=1/core=2,walltime=0:10", [("", [("host", 1), ("core", 2)])], 600),
        ("nodes=ALL,walltime=0:0:30", [("", [("host", ALL)])], 30),
        # what EnOSlib sends: servers before clusters, networks last
        (
            f"{{{SERVERS}}}/nodes=1+{{cluster='chiclet'}}/nodes=2+{{type='kavlan'}}/vlan=1"
            "+slash_22=1,walltime=01:30:05",
            [
                (SERVERS, [("host", 1)]),
                ("cluster='chiclet'", [("host", 2)]),
                ("type='kavlan'", [("vlan", 1)]),
                ("", [("slash_22", 1)]),
            ],
            5405,
        ),
        ("{cluster='chiclet'},walltime=2:00", [("cluster='chiclet'", [("host", 1)])], 7200),
    ],
)
def test_resources_are_read(text, groups, walltime):
    request = parse(text)
    levels = [Group(w, tuple(Level(*level) for level in ls)) for w, ls in groups]
    assert request.groups == tuple(levels)
    assert request.walltime == walltime


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nodes=two", "# Error: cannot recognize the resource description: nodes=two"),
        ("nodes", "# Error: cannot recognize the resource description: nodes"),
        ("/", None),
        ("nodes=1+", "# Error: cannot recognize -- + -- resource"),
        ("nodes=1,walltime=soon", "# Error: cannot recognize -- ,walltime=soon -- resource"),
        ("nodes=" + "9" * 5000, "# Error: cannot recognize the resource description: nodes=9"),
        ("nodes=0", "nothing is asked for by nodes=0 (Grid'5000 would let this pass"),
        ("nodes=1,walltime=0", "a walltime of 0 seconds (Grid'5000 would let this pass"),
    ],
)
def test_resources_are_refused(text, error):
    with pytest.raises(OarError, match=re.escape(error or "cannot recognize")):
        parse(text)


ROW = {
    **dict.fromkeys(COLUMNS),
    "type": "default",
    "cluster": "chiclet",
    "host": "chiclet-1.lille.grid5000.fr",
    "deploy": "YES",
    "core": 3,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("cluster='chiclet'", True),
        ("cluster = 'dahu' OR deploy='YES'", True),
        ("cluster = 'dahu' OR deploy='NO'", False),
        ("NOT cluster='dahu' and core = 3", True),
        ("(type='default' or type='disk') AND cluster='chiclet'", True),
        ("host in ('x', 'chiclet-1.lille.grid5000.fr')", True),
        ("host NOT IN ('x')", True),
        ("host like 'chiclet-%'", True),
        ("host not like 'chiclet-_.%'", False),
        ("core >= 3 AND core<4", True),
        ("core <> 3", False),
        ("\"cluster\"='chiclet'", True),
        ("vlan is null", True),
        ("vlan IS NOT NULL", False),
        # SQL's third truth value: neither the comparison nor its negation holds
        ("vlan='4'", None),
        ("not vlan='4'", None),
        ("vlan='4' or core=3", True),
        ("vlan='4' and core=3", None),
        ("vlan in ('4')", None),
        ("cluster = 'it''s'", False),
    ],
)
def test_conditions_hold_as_in_sql(text, holds):
    assert condition(text, COLUMNS)(ROW) is holds


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("clustre='x'", 'column "clustre" does not exist'),
        ('cluster="chiclet"', 'column "chiclet" does not exist'),
        ("cluster=chiclet", 'column "chiclet" does not exist'),
        ("cluster='x' AND", 'syntax error at or near ")"'),
        ("cluster=='x'", 'syntax error at or near "="'),
        ("cluster 'x'", "syntax error at or near \"'x'\""),
        ("cluster='x' host='y'", 'syntax error at or near "host"'),
        ("cluster='x", 'syntax error at or near "\'"'),
        ("(cluster='x'", 'syntax error at or near ")"'),
        ("host in ()", 'syntax error at or near ")"'),
        ("cluster='x'; drop", 'syntax error at or near ";"'),
        ("cluster not 'x'", "syntax error at or near \"'x'\""),
        ("cluster is 'x'", "syntax error at or near \"'x'\""),
        ("(" * 9999, "stack depth limit exceeded"),
        ("host = network_address", "comparing two columns is not imitated"),
    ],
)
def test_conditions_are_refused(text, error):
    with pytest.raises(OarError, match=re.escape(f"# Bad resource request (ERROR:  {error})")):
        condition(text, COLUMNS)
