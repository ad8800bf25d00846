"""The commands; the only place, with the launcher plugin, that knows Hydra."""
