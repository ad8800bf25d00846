"""`python -m experiments.bench`: vaex beside its rivals, as ratios measured in one run."""
