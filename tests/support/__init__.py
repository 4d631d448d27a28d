"""What tests share: real programs, servers, terminals and networks, and fakes where no real part will do."""
