"""Commands of `enoslib-nxc` that read a configuration; `cli` has the others."""
