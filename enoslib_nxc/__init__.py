"""An EnOSlib provider for NixOS."""
