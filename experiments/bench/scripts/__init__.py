"""One run as a script of its own, as a researcher would write it: what a sweep is without a framework."""
