"""Protobuf in and out: one method a call."""
