# What EnOSlib's Dask sources, as conda's own: the environment is the system's Python.
conda() { :; }
