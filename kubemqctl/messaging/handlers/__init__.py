"""The user's programs: started for each message, fed, timed and ended."""
