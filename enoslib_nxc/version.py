"""The version of this package, read by setup.cfg and recorded with each deployment."""

__version__ = "0.1.0"
