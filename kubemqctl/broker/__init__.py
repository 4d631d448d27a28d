"""The built-in broker, for development and tests: KubeMQ's answers, without a KubeMQ server."""
