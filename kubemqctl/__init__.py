"""kubemqctl: operate KubeMQ from a shell, a CI step or a pipe."""

__version__ = "0.1.0"
