"""The tests. Before any of them imports grpc: no fork handlers.

A terminal asks for a fork, and beside open connections grpc's handlers can hold it up for ever.
"""

import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
