"""How annotations are checked, in tests only."""

from beartype import BeartypeConf, beartype

# As everywhere in Python, an int will do where a float is asked for.
typecheck = beartype(conf=BeartypeConf(is_pep484_tower=True))
