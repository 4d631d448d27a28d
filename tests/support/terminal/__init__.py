"""The program and shells on terminals of their own."""
