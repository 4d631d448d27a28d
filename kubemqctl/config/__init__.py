"""Where to connect and as whom: profiles, and the settings that come out of all sources."""
