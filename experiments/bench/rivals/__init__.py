"""The rivals, each as its own users would write it; every file is a process of its own (see `worker.py`)."""
