"""The service side of "a Grid'5000 on one machine": strict, in memory, on loopback.

A REST service against which EnOSlib's Grid'5000 provider and python-grid5000 run as they
are, so that a program can be rehearsed before it costs anybody a node. What is behind the
nodes is a `Testbed`: machines, or nothing at all (`MemoryTestbed`).

Each rule names its source. "g5k-api" is the API's own published source (release 3.11.13),
"OAR" that of OAR 2.5, "Kadeploy" that of Kadeploy 3 as published in 2016,
"reference-repository" the published description of the sites; "EnOSlib" is its Grid'5000
code (10.9.0). What is stricter here than there says so in its text. See docs/rehearsal.md.
"""
