"""Commands of `enoslib-nxc`, which `cli` puts together.

What a command does is imported when it is called: `enoslib-nxc --help` must stay quick.
"""
