"""The gRPC client, synchronous."""
