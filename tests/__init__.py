"""The tests. Set before any of them imports grpc or starts the program."""

import os
import sys

# A terminal asks for a fork, and beside open connections grpc's fork handlers can hold it up for ever.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# Some machines set it, and every start of the program would compile it anew: +40 ms each, of thousands.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
